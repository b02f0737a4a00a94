// Why a client is not connected.

export const closed = ({ code, reason }) => `the connection closed, code ${code} ${reason}`.trim();
export const disconnected = reason => `the connection was lost: ${reason}`;
export const noConnection = () => "not connected at the moment";
export const streamLost = () => "the stream was lost";

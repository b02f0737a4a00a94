// Over a transport's code.

export const server = transport => `The server: app/transports/${transport}.py`;
export const browser = transport => `The browser: ${transport}.js`;

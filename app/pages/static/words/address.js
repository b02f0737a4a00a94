// What is wrong with the settings in a page's address.

export const unknown = ({ name, known }) => `Unknown setting ${name}; known: ${known.join(", ")}.`;
export const outOfRange = ({ name, text, low, high, otherwise }) => `${name}=${text} is not a number from ${low} to ${high}; using ${otherwise}.`;
export const notAccepted = ({ name, text }) => `${name}=${text} is not accepted; ignored.`;
export const givenTwice = ({ name, text }) => `${name} is given more than once; using the first, ${text}.`;

// The official Socket.IO client, as its documentation says to use it: `node socket_io_client.js URL PATH OPTIONS AFTER`.
// A line of JSON on standard output per thing that happens; a line on standard input is emitted, with an acknowledgement.
const { io } = require("socket.io-client");
const [url, path, options, after] = process.argv.slice(2);

let cursor = after || undefined;
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const socket = io(url, {
  path,
  reconnectionDelay: 20,
  reconnectionDelayMax: 100,
  auth: (give) => give({ after: cursor ?? null }),
  ...JSON.parse(options),
});
socket.on("connect_error", (error) => tell({ connect_error: error.message }));
socket.on("disconnect", (reason) => tell({ disconnect: reason }));
socket.io.engine.on("upgrade", (transport) => tell({ upgrade: transport.name }));
socket.onAny((event, news) => {
  if (event === "message" || event === "missed" || event === "cursor") cursor = news.cursor;
  tell({ [event]: news, over: socket.io.engine.transport.name });
});
require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => socket.emit(...JSON.parse(line), (answer) => tell({ answer })))
  .on("close", () => socket.disconnect());

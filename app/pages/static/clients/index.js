// Every transport's client, in teaching order: receive(url, options, tell) -> stop.
import * as short_poll from "./short_poll.js";
import * as long_poll from "./long_poll.js";
import * as sse from "./sse.js";
import * as websocket from "./websocket.js";

export const CLIENTS = { short_poll, long_poll, sse, websocket };

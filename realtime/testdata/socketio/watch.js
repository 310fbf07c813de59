// Watches a run as a page does, and says what happens, one JSON array a line.
const { io } = require("socket.io-client");
const [url, path, token, runId] = process.argv.slice(2);
const say = (...what) => console.log(JSON.stringify(what));
const socket = io(url, { path, transports: ["websocket"], auth: { token }, reconnectionDelay: 100 });
socket.on("connect", () => {
  say("connect");
  socket.emit("workflow_run_join", { runId }, (answer) => say("joined", answer));
});
socket.on("connect_error", (error) => say("connect_error", error.message, error.data));
socket.on("disconnect", (reason, details) => say("disconnect", reason, details?.context?.code));
socket.onAny((name, ...data) => say(name, ...data));

// A widget of a page: connects with a workflow, answers what it asks, refreshes, and
// leaves. Says what happens, one JSON array a line.
const { io } = require("socket.io-client");
const [url, path, token, tenantID, workflowID] = process.argv.slice(2);
const say = (...what) => console.log(JSON.stringify(what));
const socket = io(url, { path, transports: ["websocket"], auth: { token } });
const widgetID = "refunds";
let connected = 0;
socket.on("connect", () => {
  socket.emit("widget_send_input", { widgetID, inputType: "form_submit", data: {} });
  socket.emit("widget_workflow_connect", { widgetID, workflowID, tenantID, mode: "execute", inputParams: {} });
});
socket.on("workflow_data_collection_request", () => {
  if (connected === 1) socket.emit("widget_send_input", { widgetID, inputType: "action", data: { approved: true } });
});
socket.on("widget_workflow_status", () => socket.emit("widget_refresh", { widgetID, tenantID, inputParams: {} }));
socket.on("widget_workflow_connected", () => {
  if (++connected === 2) socket.emit("widget_workflow_disconnect", { widgetID });
});
socket.on("connect_error", (error) => say("connect_error", error.message));
socket.onAny((name, data) => say(name, data));

// The same greeting as app/hello/app.py.
exports.hello = async () => ({
  statusCode: 200,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ message: "hello, world" }),
});

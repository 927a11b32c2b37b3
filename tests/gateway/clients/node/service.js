// An owner's program: Registry and Client of the SDK azure-iothub.
'use strict';
const { Client, Registry } = require('azure-iothub');
const { Message } = require('azure-iot-device');
const { converse } = require('../../../conversation');

let registry = null;
let client = null;

const actions = {
  async open({ connection_string }) {
    registry = Registry.fromConnectionString(connection_string);
    client = Client.fromConnectionString(connection_string);
  },

  // any method of the registry
  async call({ name, arguments: values }) {
    return (await registry[name](...values)).responseBody;
  },

  // the results of a query, page by page
  async query({ text, size }) {
    const query = registry.createQuery(text, size);
    const pages = [];
    while (query.hasMoreResults) pages.push((await query.next()).result);
    return pages;
  },

  async send({ device_id, body, properties, message_id }) {
    await client.open();
    const message = new Message(body);
    if (message_id) message.messageId = message_id;
    for (const [name, value] of Object.entries(properties ?? {})) message.properties.add(name, value);
    await client.send(device_id, message);
  },

  async invoke({ device_id, name, payload }) {
    const parameters = { methodName: name, payload, responseTimeoutInSeconds: 10 };
    return (await client.invokeDeviceMethod(device_id, parameters)).result;
  },
};

converse(actions, async () => client?.close());

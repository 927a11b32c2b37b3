// A device, or a module, of the SDK azure-iot-device, over each of its transports.
'use strict';
const fs = require('node:fs');
const { Client, Message, ModuleClient } = require('azure-iot-device');
const { converse, tell } = require('../../../conversation');

const TRANSPORTS = {
  mqtt: () => require('azure-iot-device-mqtt').Mqtt,
  'mqtt-ws': () => require('azure-iot-device-mqtt').MqttWs,
  amqp: () => require('azure-iot-device-amqp').Amqp,
  'amqp-ws': () => require('azure-iot-device-amqp').AmqpWs,
  http: () => require('azure-iot-device-http').Http,
};
let client = null;
let twin = null;

const actions = {
  async open({ connection_string, transport, module, certificate_file, key_file, token_renewal }) {
    client = (module ? ModuleClient : Client).fromConnectionString(connection_string, TRANSPORTS[transport]());
    client.on('disconnect', () => tell({ event: 'connection', connected: false }));
    client.on('error', (error) => tell({ event: 'trouble', name: error.name }));
    if (certificate_file) {
      await client.setOptions({ cert: read(certificate_file), key: read(key_file) });
    }
    if (token_renewal) {
      const { seconds, margin } = token_renewal;
      const tokenRenewal = { tokenValidTimeInSeconds: seconds, tokenRenewalMarginInSeconds: margin };
      await client.setOptions({ tokenRenewal });
    }
  },

  async connect() {
    await client.open();
  },

  async send({ body, security, properties, message_id }) {
    const message = new Message(body);
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    if (message_id) message.messageId = message_id;
    for (const [name, value] of Object.entries(properties ?? {})) message.properties.add(name, value);
    if (security) message.setAsSecurityMessage();
    await client.sendEvent(message);
  },

  async 'send batch'({ bodies }) {
    await client.sendEventBatch(bodies.map((body) => new Message(body)));
  },

  async twin() {
    twin = await client.getTwin();
    await twin.get();
    return twin.properties;
  },

  async report({ patch }) {
    twin ??= await client.getTwin();
    await new Promise((resolve, reject) => {
      twin.properties.reported.update(patch, (error) => (error ? reject(error) : resolve()));
    });
  },

  async 'watch desired'() {
    twin ??= await client.getTwin();
    twin.on('properties.desired', (patch) => tell({ event: 'desired', patch }));
    await twin.get(); // answered after the subscription, of which the SDK does not tell
  },

  // `outcomes`: complete, reject or abandon, of one message after the other; the last one stays
  async 'watch messages'({ outcomes = ['complete'] }) {
    client.on('message', async (message) => {
      const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
      const properties = Object.fromEntries(message.properties.propertyList.map(({ key, value }) => [key, value]));
      const { messageId: message_id, correlationId: correlation_id } = message;
      tell({ event: 'message', body: message.getData().toString(), properties, message_id, correlation_id });
      try {
        await client[outcome](message);
        tell({ event: 'settled', outcome });
      } catch (error) {
        tell({ event: 'trouble', name: error.name, text: error.message });
      }
    });
  },

  async 'watch inputs'() {
    client.on('inputMessage', (input, message) => tell({ event: 'input', input, body: message.getData().toString() }));
  },

  async 'watch method'({ name, status = 200 }) {
    const answer = ({ payload }, response) => {
      tell({ event: 'method', name, payload });
      response.send(status, { echo: payload });
    };
    client.onDeviceMethod ? client.onDeviceMethod(name, answer) : client.onMethod(name, answer);
  },

  async close() {
    await client?.close();
    client = twin = null;
  },
};

const read = (file) => fs.readFileSync(file, 'utf8');

converse(actions, actions.close);

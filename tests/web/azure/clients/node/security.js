// An owner's program: SecurityCenter of the SDK @azure/arm-security, signed in by a static token or @azure/identity.
'use strict';
const { SecurityCenter } = require('@azure/arm-security');
const { ClientSecretCredential } = require('@azure/identity');
const { converse } = require('../../../../conversation');

let client = null;

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const actions = {
  async open_with_token({ url, subscription_id, token }) {
    const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600e3 }) };
    client = new SecurityCenter(credential, subscription_id, { endpoint: url, retryOptions: { maxRetries: 0 } });
  },

  async open_with_secret({ url, subscription_id, tenant_id, client_id, client_secret }) {
    const options = { authorityHost: url, disableInstanceDiscovery: true };
    const credential = new ClientSecretCredential(tenant_id, client_id, client_secret, options);
    client = new SecurityCenter(credential, subscription_id, { endpoint: url });
  },

  // any method of a group of operations; all pages of a list
  async call({ group, name, arguments: values }) {
    const result = client[group][name](...values);
    return typeof result?.byPage === 'function' ? all(result) : result;
  },

  async pages({ group, name }) {
    const sizes = [];
    for await (const page of client[group][name]().byPage()) sizes.push(page.length);
    return sizes;
  },

  async refused({ group, name, arguments: values }) {
    try {
      const result = client[group][name](...values);
      await (typeof result?.byPage === 'function' ? all(result) : result);
    } catch (error) {
      const targets = (error.details?.details ?? []).map((one) => one.target);
      return { class: error.name, status: error.statusCode, code: error.code, targets };
    }
    return {};
  },
};

converse(actions);

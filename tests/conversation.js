// How a program under test is spoken with: lines of JSON, as tests/program.py sends them.
'use strict';
const readline = require('node:readline');

function tell(said) {
  process.stdout.write(JSON.stringify(said) + '\n');
}

// Does what is asked, one after the other, until nobody asks any more; then `end`, and the process is over.
async function converse(actions, end = async () => {}) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: what, ...asked } = JSON.parse(line);
    try {
      tell({ result: (await actions[what](asked)) ?? null });
    } catch (error) {
      tell({ failed: error.name, text: `${error.message} ${error.responseBody ?? ''}` });
    }
  }
  await end();
  process.exit(0);
}

module.exports = { converse, tell };

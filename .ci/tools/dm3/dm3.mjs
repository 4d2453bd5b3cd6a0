// Calls the published dm3 packages for a test: one JSON object a line in, one a line out. What is called is data:
// {"module", "name", "arguments"} calls a function of a package; the names below are what needs more than data.
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const packages = {
    crypto: require('@dm3-org/dm3-lib-crypto'),
    messaging: require('@dm3-org/dm3-lib-messaging'),
    profile: require('@dm3-org/dm3-lib-profile'),
    shared: require('@dm3-org/dm3-lib-shared'),
};
const { ethers } = require('ethers');
const axios = require('axios');

const own = {
    // What a wallet does with a text that it is shown.
    wallet: async (key, text) => {
        const wallet = new ethers.Wallet(key);
        return { address: wallet.address, signature: await wallet.signMessage(text) };
    },
    // A JSON text as the packages write its value.
    stringify: async (text) => packages.shared.stringify(JSON.parse(text)),
    // An envelope on its way, as a sender makes it.
    envelop: async (message, dependencies) =>
        packages.messaging.buildEnvelop(message, packages.crypto.encryptAsymmetric, dependencies),
    // A request as the dm3 app sends it.
    request: async (base, method, path, token, body, query) => {
        const client = axios.create({ baseURL: base, headers: token ? { Authorization: `Bearer ${token}` } : {} });
        const { status, data } = await client.request({
            method, url: path, data: body ?? undefined, params: query ?? undefined, validateStatus: () => true,
        });
        return { status, data };
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
        const { module, name, arguments: list } = JSON.parse(line);
        const call = module === 'own' ? own[name] : packages[module][name];
        answer = { result: (await call(...list)) ?? null };
    } catch (error) {
        answer = { error: String(error?.message ?? error) };
    }
    process.stdout.write(JSON.stringify(answer) + '\n');
}

// ONNX Runtime's side of the inference benchmark. Arguments: folder with node_modules, model.onnx, input, batch, threads, side.
// Answers the commands that protocol.py describes.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [folder, model, input, batch, threads, side] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const ort = require('onnxruntime-node');
const version = require('onnxruntime-node/package.json').version;

const bytes = readFileSync(input);
const pixels = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const images = new ort.Tensor('float32', pixels, [+batch, 3, +side, +side]);
const session = await ort.InferenceSession.create(model, {
    executionProviders: ['cpu'],
    intraOpNumThreads: +threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
});
const answer = (...words) => process.stdout.write(`${words.join(' ')}\n`);

answer('ready', JSON.stringify({ version: `onnxruntime ${version}, Node ${process.versions.node}`, threads: +threads }));
for await (const line of createInterface({ input: process.stdin })) {
    const [command, argument] = line.trim().split(/ (.*)/);
    if (command === 'time') {
        const times = [];
        for (let i = 0; i < +argument; i++) {
            const start = process.hrtime.bigint();
            await session.run({ images });
            times.push((Number(process.hrtime.bigint() - start) / 1e6).toFixed(4));
        }
        answer('times', ...times);
    } else if (command === 'output') {
        const { logits } = await session.run({ images });
        writeFileSync(argument, new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
        answer('done');
    } else if (command === 'memory') {
        answer('memory', (process.resourceUsage().maxRSS / 1024).toFixed(1));
    } else {
        throw new Error(`unknown command ${command}`);
    }
}

// Changes a credentials file so many times: node change-purse.mjs FILE TIMES
import { fileStorage } from '../dist/esm/node.js';

const [path, times] = process.argv.slice(2);
const storage = fileStorage(path);
for (let number = 0; number < Number(times); number += 1) {
  await storage.lock('purse', async () => {
    const purse = JSON.parse((await storage.load()) ?? '{}');
    purse.bound = { ...purse.bound, [`node-${number}`]: 'https://a.example' };
    await storage.save(JSON.stringify(purse));
  });
}

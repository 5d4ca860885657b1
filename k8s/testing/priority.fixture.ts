/** Says how much it yields to others. */
import { getPriority } from 'node:os';

console.error('a word on the side');
console.log(JSON.stringify({ priority: getPriority(), told: process.env.TOLD }));

/**
 * `npx node k8s/divided.ts [--courses 500] [--first 1] [--killed]`: crowds in towns whose regions are divided and merged, beside
 * brute force (`tracks/dividedCourse.ts`). Ends with 1 when one of them differs, and prints its course.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { COURSES, divided, killed } from './tracks/dividedCourse.ts';

const { values } = parseArgs({
  options: {
    courses: { type: 'string', default: '500' },
    first: { type: 'string', default: '1' },
    killed: { type: 'boolean', default: false },
  },
});

const judge = values.killed ? killed : divided;
const work = { changes: 0, handedOver: 0, passedOn: 0, batches: 0, expected: 0 };
let differing = 0;
const courses = fc.sample(COURSES, { seed: Number(values.first), numRuns: Number(values.courses) });
for (const course of courses) {
  const verdict = judge(course);
  for (const key of ['changes', 'handedOver', 'passedOn', 'batches', 'expected'] as const)
    work[key] += verdict.work[key];
  if (verdict.faults.length === 0) continue;
  differing++;
  console.log(JSON.stringify(course), verdict.faults);
}
const { changes, handedOver, passedOn, expected } = work;
console.log(
  `${courses.length} towns, ${changes} changes, ${handedOver} regions handed over, ${passedOn} messages passed on,`,
  `${expected} ${values.killed ? 'meetings begun anew' : 'happenings'}: ${differing} towns differ`,
);
process.exitCode = differing === 0 ? 0 : 1;

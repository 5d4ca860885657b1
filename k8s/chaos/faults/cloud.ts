/** DynamoDB and Kinesis are throttled, away, or do what they are asked and lose the answer. */
import type { Fault } from '../fault.ts';
import type { CloudBehaviour } from '../target.ts';

const MS_MIN = 5_000;
const MS_MAX = 15_000;

const cloud = (name: string, behaviour: CloudBehaviour, what: string): Fault => ({
  name,
  row: '7',
  weight: 1,
  reach: 'node',
  needs: ['cloud'],
  run: async ({ target, random, lasts, hit, counted }) => {
    target.cloud(behaviour);
    hit({ targets: ['DynamoDB', 'Kinesis'], what, counts: {} });
    await lasts(random.between(MS_MIN, MS_MAX));
    counted(target.cloud('pass'));
  },
});

export const CLOUDS: readonly Fault[] = [
  cloud('cloud-throttle', 'throttle', 'a third of requests and records is refused'),
  cloud('cloud-outage', 'outage', 'no request is answered'),
  cloud('cloud-answers', 'loseAnswers', 'half of the answers are lost'),
];

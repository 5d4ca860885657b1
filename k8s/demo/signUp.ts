/** People of the demo sign up as everybody does, over REST. */
import { createHash, randomBytes } from 'node:crypto';
import { inParallel } from '../swarm/crowd.ts';
import type { Random } from '../swarm/random.ts';
import { badgesOf, type Person, RestClient } from '../swarm/rest.ts';
import { DemoProblem, type DemoTown } from './town.ts';

const OFFICER_SHARE = 0.2;

/** Officers of the demo keep their account: a badge signs up once, and the town has only so many. */
const passwordOf = (badge: string): string =>
  createHash('sha256').update(`demo officer ${badge}`).digest('base64url');

/** Officers of an earlier demo or new ones, and new civilians. */
export const signUpPeople = async (town: DemoTown, count: number, random: Random): Promise<Person[]> => {
  // at every door of the town
  const doors = town.nodes.map(node => new RestClient(node.rest));
  const run = randomBytes(3).toString('hex');
  const officers = Math.max(2, Math.round(count * OFFICER_SHARE));
  const badges = random.shuffled(badgesOf(town.dataDir));
  const people: Person[] = [];
  const findOfficer = async (rest: RestClient): Promise<Person> => {
    for (let badge = badges.pop(); badge !== undefined; badge = badges.pop()) {
      const handle = `demo-${badge}`.toLowerCase();
      const officer = await rest.signUpOrIn('officer', handle, passwordOf(badge), badge);
      if (officer !== null) return officer;
    }
    throw new DemoProblem(
      `Somebody else uses every badge in ${town.dataDir}/roster.txt: raise HEYBLUE_ROSTER_SIZE.`,
    );
  };
  const wanted = Array.from({ length: count }, (_, i) => i);
  const done = await inParallel(
    wanted,
    async i => {
      const rest = doors[i % doors.length]!;
      const person =
        i < officers ? await findOfficer(rest) : await rest.signUp('civilian', `walker-${run}-${i}`);
      people.push(person);
    },
    4,
  );
  if (done.first instanceof DemoProblem) throw done.first;
  if (done.failed > 0) throw new Error(`${done.failed} people could not sign up: ${done.first}`);
  return people.sort((a, b) => a.handle.localeCompare(b.handle, 'en', { numeric: true }));
};

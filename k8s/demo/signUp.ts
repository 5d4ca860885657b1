/** People of the demo sign up as everybody does, over REST. */
import { randomBytes } from 'node:crypto';
import { inParallel } from '../swarm/crowd.ts';
import type { Random } from '../swarm/random.ts';
import { badgesOf, type Person, RestClient } from '../swarm/rest.ts';
import { DemoProblem, type DemoTown } from './town.ts';

const OFFICER_SHARE = 0.2;

/** Signs up officers with badges nobody has used, and civilians. */
export const signUpPeople = async (town: DemoTown, count: number, random: Random): Promise<Person[]> => {
  const rest = new RestClient(town.rest);
  const run = randomBytes(3).toString('hex');
  const officers = Math.max(2, Math.round(count * OFFICER_SHARE));
  const badges = random.shuffled(badgesOf(town.dataDir));
  const people: Person[] = [];
  const signUpOfficer = async (handle: string): Promise<Person> => {
    // A demo that ran before has used some of the badges.
    for (let badge = badges.pop(); badge !== undefined; badge = badges.pop()) {
      try {
        return await rest.signUp('officer', handle, badge);
      } catch (error) {
        if (!/: (409|403|422) /.test((error as Error).message)) throw error;
      }
    }
    throw new DemoProblem(`Every badge in ${town.dataDir}/roster.txt is used: raise HEYBLUE_ROSTER_SIZE.`);
  };
  const wanted = Array.from({ length: count }, (_, i) => i);
  const done = await inParallel(
    wanted,
    async i => {
      const person =
        i < officers
          ? await signUpOfficer(`officer-${run}-${i}`)
          : await rest.signUp('civilian', `walker-${run}-${i}`);
      people.push(person);
    },
    4,
  );
  if (done.first instanceof DemoProblem) throw done.first;
  if (done.failed > 0) throw new Error(`${done.failed} people could not sign up: ${done.first}`);
  return people.sort((a, b) => a.handle.localeCompare(b.handle, 'en', { numeric: true }));
};

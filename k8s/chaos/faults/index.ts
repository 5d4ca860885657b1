/** Every fault there is, in the order of the catalogue. */
import type { Fault } from '../fault.ts';
import { clockJump, clockStrobe } from './clock.ts';
import { CLOUDS } from './cloud.ts';
import { corruption } from './corruption.ts';
import { kill } from './kill.ts';
import { killLate } from './killLate.ts';
import { natsAway, natsDataLoss, natsRestart } from './nats.ts';
import { PARTITIONS } from './partition.ts';
import { pause } from './pause.ts';
import { deafPhones, hotUser, slowReaders, storm } from './people.ts';
import { poison } from './poison.ts';
import { diskFull, postgresBackends, postgresRestart, postgresSlow } from './postgres.ts';
import { memory, processor } from './pressure.ts';
import { repeats } from './repeats.ts';
import { rotation } from './rotation.ts';
import { scaleDown } from './scaleDown.ts';
import { swizzleClog } from './swizzleClog.ts';
import { zombie } from './zombie.ts';

export const FAULTS: readonly Fault[] = [
  kill,
  killLate,
  pause,
  zombie,
  ...PARTITIONS,
  swizzleClog,
  natsRestart,
  natsAway,
  natsDataLoss,
  postgresRestart,
  postgresBackends,
  postgresSlow,
  diskFull,
  ...CLOUDS,
  clockJump,
  clockStrobe,
  repeats,
  slowReaders,
  storm,
  deafPhones,
  hotUser,
  poison,
  memory,
  processor,
  scaleDown,
  rotation,
  corruption,
];

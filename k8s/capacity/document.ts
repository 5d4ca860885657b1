/** The sheet as people read it: `k8s/CAPACITY.md`, written by `npx node k8s/capacity/render.ts`; a test compares. */
import { MEASURED, NATION, POD } from './measured.ts';
import { ASSUMED, PRICES } from './prices.ts';
import {
  COSTS,
  LOCATION_ALONE,
  LOCATION_SAMPLED,
  POD_CARRIES,
  perEncounter,
  perPhoneS,
  perPosition,
  ROWS,
  TOTAL,
} from './sheet.ts';

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const short = (value: number, digits = 1): string => value.toFixed(digits);

const assumptions = (): string =>
  [
    `${whole(ASSUMED.bytesPerEncounter)} bytes a meeting and ${whole(ASSUMED.bytesPerPerson)} a person in PostgreSQL`,
    `${ASSUMED.recordsPerEncounter} records of streams and ${ASSUMED.balancesPerEncounter} balances a meeting`,
    'every position kept as history (one a minute of a person at most)',
    `${short(ASSUMED.heldShare * 100, 0)} % of meetings held and verified`,
    `${whole(ASSUMED.bytesPerPosition)} bytes out a position, ${whole(ASSUMED.bytesPerMeeting)} a meeting`,
    `${ASSUMED.systemCores} core of each machine for the system`,
  ].join('; ');

export const renderCapacity = (): string => `# Capacity and cost

Made by \`npx node k8s/capacity/render.ts\` from what the benchmarks measured (\`capacity/measured.ts\`), list prices
(\`capacity/prices.ts\`: change them there) and the sums of \`capacity/sheet.ts\`. Two cores of a rented machine measured it, with the
load generator beside: trust the ratios more than the digits.

## What one pod carries

A pod is one process, one core and ${POD.memoryBytes / 2 ** 30} GiB, planned to ${POD.full * 100} %: the rest is for a neighbour's people when it dies.

| what | price, measured | a pod, planned |
|---|---|---|
| phone that is connected | ${short(perPhoneS * 1e6)} us of CPU a second, ${whole(MEASURED.bytesPerPhone)} bytes (\`bench idle\`) | ${whole(POD_CARRIES.phones)}: 0.6 of the 20,000 files of a process; by memory ${whole(POD_CARRIES.phonesByMemory)} |
| position | ${short(perPosition * 1e6)} us of CPU (\`bench location\`) | ${whole(POD_CARRIES.positionsPerS)} a second, if it did nothing else |
| encounter | ${short(perEncounter * 1e3, 2)} ms of CPU (\`bench nation\`, less its positions and phones) | ${whole(POD_CARRIES.encountersPerS)} a second, if it did nothing else |
| durable transfer | PostgreSQL took ${whole(MEASURED.transfersPerS)} a second (\`bench ledger\`) | not of the pod: ${whole(MEASURED.transfersPerS / NATION.encountersPeakPerS)} times the nation's peak of ${NATION.encountersPeakPerS} meetings |

## The nation

${whole(NATION.people)} people, ${whole(NATION.online)} online at once. Cores = phones x ${short(perPhoneS * 1e6)} us + positions x ${short(perPosition * 1e6)} us + encounters x ${short(perEncounter * 1e3, 2)} ms.

| load | positions/s | cores | pods by CPU | by sockets | by memory | pods |
|---|---:|---:|---:|---:|---:|---:|
${ROWS.map(one => `| ${one.what} | ${whole(one.positionsPerS)} | ${short(one.cores)} | ${one.byCpu} | ${one.bySockets} | ${one.byMemory} | **${one.pods}** |`).join('\n')}

Sockets decide, not work: a process may open 20,000 files where this was measured. With a higher limit (\`ulimit -n\`) the rows
"by CPU" and "by memory" hold, which nobody has measured beyond ${whole(MEASURED.idlePhones)} phones a process. One cluster of so many pods is arithmetic
as well: the largest that was tried has 30 simulated nodes (\`bench scale\`), where messages at rest grow with the nodes
(32 a node and second at 30). Split a nation into clusters by region before that.

One PostgreSQL takes the meetings; redemptions, donations and reports come on top.

## What it costs a month

| what | how much | US dollars |
|---|---|---:|
${COSTS.map(one => `| ${one.what} | ${one.how} | ${whole(one.dollars)} |`).join('\n')}
| **all** | ${short((TOTAL / NATION.people) * 1_000, 2)} a thousand people | **${whole(TOTAL)}** |
| all in ${ASSUMED.region} | where \`overlays/prod\` is: a quarter more at the most | up to ${whole(TOTAL * ASSUMED.regionFactor)} |

List prices of us-east-1 as far as we know them (those of ${ASSUMED.region} nobody looked up one by one), on demand (a machine-hour ${PRICES.machineHour}, a PostgreSQL-hour ${PRICES.postgresHour}, a million writes ${PRICES.tableWrites}), without
discounts, support and people. Assumed, because nobody measured it: ${assumptions()}.

## Beside matching through Amazon Location alone

Every position written to a tracker and evaluated against the geofences of officers nearby:
${whole(LOCATION_ALONE.positions / 1e6)} million positions a month x (${PRICES.locationWritten} + ${PRICES.locationEvaluated} dollars a thousand) = **${whole(LOCATION_ALONE.dollars)} dollars**, ${whole(LOCATION_ALONE.dollars / TOTAL)} times everything
above; twenty times that at a position each 15 seconds. Large volumes are cheaper, and it would still not do: officers move, so the geofences
would be written as often as the positions, and 50 requests a second of ten positions each are ${whole(NATION.positionsPeakPerS / 500)} times too few for the peak.
So Amazon Location gets what it is good at: static places, and the check of a position in doubt. The sheet keeps the history of sampled
positions in DynamoDB (\`LOCATION_PROVIDER=memory\`). With \`amazon\` it goes to a tracker: ${whole(LOCATION_SAMPLED.dollars)} dollars a month at the quota of
50 requests a second, which keeps ${whole(LOCATION_SAMPLED.share * 100)} % of the positions; all of them would be ${whole((LOCATION_ALONE.positions / 1_000) * PRICES.locationWritten)} dollars.
`;

/**
 * How the tests run: real processes, three at a time because many wait for leases, with the real servers started once before.
 * The longest begin first: on a clean checkout nobody remembers them, and one that begins last keeps everybody waiting.
 *
 * A fourth is the simulation. It lives on virtual time, yields to everybody (k8s/testing/command.ts), and so takes what the
 * others leave of the processors from the first minute to the last.
 */
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Minutes and half minutes, the longest first; what is not here takes seconds. */
const LONG = [
  'k8s/simulate/simulate.test.ts',
  'k8s/chaos/twoMinutes.test.ts',
  'k8s/e2e/cluster/faults.test.ts',
  'k8s/e2e/cluster/badInput.test.ts',
  'k8s/e2e/cluster/market.test.ts',
  'k8s/soak/smoke.test.ts',
  'gateway/conformance/conformance.test.ts',
  'k8s/e2e/commands.test.ts',
  'k8s/e2e/gateway/train.test.ts',
  'k8s/e2e/phones/phones.test.ts',
  'k8s/e2e/cluster/offlineCodes.test.ts',
  'k8s/simulate/phones/phones.test.ts',
  'infra/launch/supervisor.test.ts',
  'k8s/simulate/phones/mutants.test.ts',
  'k8s/e2e/cluster/hotRegion.test.ts',
  'infra/embedded/town.test.ts',
  'k8s/e2e/threeNodes.test.ts',
  'infra/backup/backup.test.ts',
  'nodes/contracts/coordinator.test.ts',
];

/** No clock, no chance, no file, no socket (infra/check/arrows.ts): nothing that one test could leave to the next. */
const PURE = '{protocol,actors}/**/*.test.ts';

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = LONG.findIndex(name => moduleId.endsWith(`/${name}`));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    // what comes in its own time comes late on a busy machine; nothing waits so long when things work
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'town',
          include: ['{nodes,gateway,infra,k8s}/**/*.test.ts'],
          globalSetup: ['infra/embedded/test-servers.ts'],
        },
      },
      { extends: true, test: { name: 'pure', include: [PURE], isolate: false } },
    ],
  },
});

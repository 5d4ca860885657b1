/** How the tests run: real processes, three at a time because many wait for leases, with the real servers started once before. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{protocol,actors,nodes,gateway,infra,k8s}/**/*.test.ts'],
    globalSetup: ['infra/embedded/test-servers.ts'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
  },
});

/** Adds up what passed and failed. A run that was cut short, or a file that broke before its first test, is a failure. */
import type { Check } from '../check/checks.ts';

/** The part of the runner's JSON report that counts. */
export interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  success: boolean;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

export interface Counts {
  passed: number;
  failed: number;
}

/**
 * @param report null when the runner died
 * @param cutShort somebody stopped the run
 */
export function countsOf(checks: readonly Check[], report: VitestReport | null, cutShort = false): Counts {
  const passed = checks.filter(check => check.ok).length + (report?.numPassedTests ?? 0);
  let failed = checks.filter(check => !check.ok).length + (report?.numFailedTests ?? 0);
  const brokenFiles = report?.testResults.filter(
    file => file.status === 'failed' && !file.assertionResults.some(one => one.status === 'failed'),
  );
  failed += brokenFiles?.length ?? 0;
  const unexplained = report === null || cutShort || !report.success;
  return { passed, failed: failed === 0 && unexplained ? 1 : failed };
}

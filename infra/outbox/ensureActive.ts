/** A stream or table that is there before anything is published to it: the same steps for both services of AWS. */
import { isMissing } from './awsClient.ts';
import { READY_POLL_MS, READY_POLLS_MAX } from './limits.ts';

export interface Resource {
  /** For people: `the table balances`. */
  readonly name: string;
  /** Its state in the service's words. Rejects as AWS does when it is missing. */
  describe(): Promise<string | undefined>;
  create(): Promise<unknown>;
}

/** Creates what is missing and waits until it is active. Rejects when that takes too long or `signal` is aborted. */
export async function ensureActive(resource: Resource, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < READY_POLLS_MAX; i++) {
    const status = await statusOf(resource);
    if (status === 'ACTIVE' || status === 'UPDATING') return;
    if (status === null) await createOnce(resource);
    await new Promise(resolve => setTimeout(resolve, READY_POLL_MS));
    signal.throwIfAborted();
  }
  throw new Error(`${resource.name} does not become active`);
}

async function statusOf(resource: Resource): Promise<string | null> {
  try {
    return (await resource.describe()) ?? '';
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function createOnce(resource: Resource): Promise<void> {
  try {
    await resource.create();
  } catch (error) {
    // another node was faster
    if ((error as { name?: string }).name !== 'ResourceInUseException') throw error;
  }
}

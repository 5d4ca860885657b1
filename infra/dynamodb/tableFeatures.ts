/**
 * What a table is to have besides its key: items that go by themselves, and the way back to any second of the last weeks.
 * Both are asked for with every start and change nothing where they are. Emulators that know neither are no reason not to
 * serve; nor is a role that may not ask.
 */
import {
  type DynamoDBClient,
  UpdateContinuousBackupsCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';

/** The attribute by which items expire, in seconds. */
export const EXPIRES = 'exp';

const UNKNOWN = 'UnknownOperationException';
const wordsOf = (error: unknown): { name: string; message: string } => {
  const { name = '', message = '' } = error as { name?: string; message?: string };
  return { name, message };
};

/** False where the store does not remove what has expired. */
export async function askTimeToLive(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal,
): Promise<boolean> {
  const TimeToLiveSpecification = { Enabled: true, AttributeName: EXPIRES };
  try {
    const asked = new UpdateTimeToLiveCommand({ TableName: table, TimeToLiveSpecification });
    await client.send(asked, { abortSignal: signal });
    return true;
  } catch (error) {
    const { name, message } = wordsOf(error);
    if (name === UNKNOWN) return false;
    if (/already enabled/i.test(message)) return true;
    // who made the table for us has seen to it (infra/cloud)
    if (name === 'AccessDeniedException') return true;
    throw error;
  }
}

/** False where it is not to be had, or not yet: a new table needs a moment, and is asked again with the next start. */
export async function askRecovery(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal,
): Promise<boolean> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  try {
    const asked = new UpdateContinuousBackupsCommand({ TableName: table, PointInTimeRecoverySpecification });
    await client.send(asked, { abortSignal: signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const { name } = wordsOf(error);
    const tolerated = [UNKNOWN, 'ContinuousBackupsUnavailableException', 'AccessDeniedException'];
    if (tolerated.includes(name)) return false;
    throw error;
  }
}

/** Every shard of a stream, page by page, with those that are closed and not yet forgotten. */
import { type KinesisClient, ListShardsCommand, type Shard } from '@aws-sdk/client-kinesis';

export async function listShards(
  client: KinesisClient,
  stream: string,
  signal: AbortSignal,
): Promise<Shard[]> {
  const shards: Shard[] = [];
  let NextToken: string | undefined;
  do {
    // a page after the first is named by its token alone
    const asked = NextToken === undefined ? { StreamName: stream } : { NextToken };
    const page = await client.send(new ListShardsCommand(asked), { abortSignal: signal });
    shards.push(...(page.Shards ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return shards;
}

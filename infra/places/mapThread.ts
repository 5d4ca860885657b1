/**
 * What takes long with maps, on a thread of its own: a file of a whole country is read and indexed in seconds, for which no
 * turn of the node may wait. A thread lives for one job; arrays come back without being copied.
 */
import { Worker } from 'node:worker_threads';
import {
  type AreaReader,
  type AreasRead,
  buildPolygons,
  type CodedShape,
  type PolygonTable,
} from '../../nodes/placesPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';

export type MapJob =
  | { readonly job: 'read'; readonly bytes: Uint8Array; readonly property: string | null }
  | { readonly job: 'index'; readonly areas: readonly CodedShape[] };

/** Numbers in all shapes below which a thread costs more than the work: some ten milliseconds. */
const SMALL = 20_000;
/** Heap of the thread: a file of the largest size, parsed, is some ten times as large. */
const HEAP_MB = 2_048;

const run = <T>(job: MapJob, transfer: ArrayBuffer[]): Promise<T> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./mapWorker.ts', import.meta.url), {
      workerData: job,
      transferList: transfer,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    worker.once('message', (answer: T) => resolve(answer));
    worker.once('error', reject);
    worker.once('exit', code => reject(new Error(`the thread for maps ended with ${code}`)));
  });

const notNow = refuse(ERROR.unavailable, 'the file could not be read now: try again', 5_000);

/** `bytes` are given away when they are a buffer of their own. */
export const readAreas: AreaReader = async (bytes, property) => {
  const own = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  try {
    return await run<Result<AreasRead>>(
      { job: 'read', bytes, property },
      own ? [bytes.buffer as ArrayBuffer] : [],
    );
  } catch {
    return notNow;
  }
};

export const indexAreas = async (areas: readonly CodedShape[]): Promise<PolygonTable> => {
  const numbers = areas.reduce((sum, { shape }) => sum + shape.length, 0);
  return numbers < SMALL ? buildPolygons(areas) : run<PolygonTable>({ job: 'index', areas }, []);
};

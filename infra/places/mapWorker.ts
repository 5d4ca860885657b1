/** One job with maps, and the end; see `mapThread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { buildPolygons, type PolygonTable, readGeoJson } from '../../nodes/placesPort.ts';
import type { MapJob } from './mapThread.ts';

const buffersOf = ({ owner, firstRing, rings, boxes }: PolygonTable): ArrayBuffer[] =>
  [owner, firstRing, ...Object.values(rings), ...Object.values(boxes)].map(
    array => (array as Int32Array).buffer as ArrayBuffer,
  );

const job = workerData as MapJob;
if (job.job === 'read') {
  const read = readGeoJson(job.bytes, job.property);
  const buffers = read.ok ? read.value.areas.map(area => area.shape.buffer as ArrayBuffer) : [];
  parentPort?.postMessage(read, buffers);
} else {
  const table = buildPolygons(job.areas);
  parentPort?.postMessage(table, buffersOf(table));
}

/** What a run on a real Kubernetes found, for people: a page of Markdown. */
import type { Figures } from './load.ts';

export interface Tried {
  readonly name: string;
  readonly what: string;
  readonly mayFail: boolean;
  readonly figures: Figures;
  readonly saw: Record<string, number | string>;
  /** Why it did not pass; empty when it did. */
  readonly wrong: readonly string[];
}

export interface Run {
  readonly commit: string;
  readonly date: string;
  readonly seed: number;
  readonly phones: number;
  readonly perS: number;
  readonly asksPerS: number;
  readonly machine: string;
  readonly versions: readonly string[];
  readonly images: readonly { readonly name: string; readonly sizeMb: number }[];
  /** Seconds until this stood, from the start of the box. */
  readonly upS: { readonly control: number; readonly machines: number; readonly town: number };
  readonly objects: readonly string[];
  readonly memoryMb: Record<string, number>;
  readonly tried: readonly Tried[];
  readonly verdict: 'pass' | 'fail';
}

/** What is wrong with these figures: nothing may be lost or doubled, and nothing may fail unless somebody was killed. */
export const judgeFigures = (figures: Figures, mayFail: boolean): string[] => [
  ...(figures.commands === 0 ? ['nobody asked anything'] : []),
  ...(figures.lost > 0 ? [`${figures.lost} lost`] : []),
  ...(figures.doubled > 0 ? [`${figures.doubled} doubled`] : []),
  ...(figures.failed > 0 && !mayFail ? [`${figures.failed} failed, first ${figures.failures[0]}`] : []),
  ...figures.problems,
];

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

export const renderReport = (run: Run): string => {
  const lines = [
    '# The town on a real Kubernetes',
    '',
    `Written by \`npm run kubernetes -- --report k8s/cluster/REPORT.md --seed ${run.seed}\` on ${run.date}, commit \`${run.commit}\`: **${run.verdict}**.`,
    '',
    `${run.versions.join(', ')}, built from Debian's sources; two machines (network namespaces with a containerd, a kubelet and a kube-proxy each) and a control plane on one computer (${run.machine}). The objects are those of \`k8s/overlays/compat-1.20\`, checked by the API server when they were applied: ${run.objects.join(', ')}.`,
    '',
    `Images, built by buildah from \`Containerfile\`: ${run.images.map(one => `\`${one.name}\` ${one.sizeMb} MB`).join(', ')}. API server after ${run.upS.control} s, both machines Ready after ${run.upS.machines} s, three pods Ready after ${run.upS.town} s. Memory (RSS): ${Object.entries(
      run.memoryMb,
    )
      .map(([name, mb]) => `${name} ${mb} MB`)
      .join(', ')}.`,
    '',
    `Load during each trial: ${run.phones} phones with the real client through the Service (kube-proxy's rules, behind a door on the loopback), ${run.perS} meetings and ${run.asksPerS} questions a second. A command *fails* when it is not done within the 5 s that the client gives it, however often the phone says it again; *lost* and *doubled* are counted by the judge of the swarm against PostgreSQL, and by what every phone was told; afterwards PostgreSQL, DynamoDB and both streams agree, and the auditor finds no difference.`,
    '',
    row([
      'trial',
      's',
      'commands',
      'meetings',
      'lost',
      'doubled',
      'failed',
      'said again',
      'without a socket p50 / p99',
      'command p99 / slowest',
      'verdict',
    ]),
    row(['---', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---:', '---']),
    ...run.tried.map(({ name, figures: f, wrong }) =>
      row([
        `\`${name}\``,
        f.seconds,
        f.commands,
        f.acknowledged,
        f.lost,
        f.doubled,
        f.failed,
        f.saidAgain,
        `${f.socketGapP50S} / ${f.socketGapP99S} s`,
        `${f.commandP99Ms} / ${f.commandMaxMs} ms`,
        wrong.length === 0 ? 'pass' : 'fail',
      ]),
    ),
    '',
  ];
  for (const { name, what, saw, figures, wrong, mayFail } of run.tried) {
    const seen = Object.entries(saw).map(([key, value]) => `${key.replaceAll('_', ' ')} ${value}`);
    lines.push(
      `- \`${name}\`: ${what}. Seen: ${[...seen, `resumed ${figures.resumed}`, `from a snapshot ${figures.fromSnapshot}`].join(', ')}.`,
    );
    if (mayFail && figures.failed > 0)
      lines.push(`  Failed, as a killed pod may let them: ${figures.failures.join('; ')}.`);
    for (const one of wrong) lines.push(`  WRONG: ${one}`);
    if (figures.generatorSaturated)
      lines.push('  The generator was at its limit: these times contain its own.');
  }
  lines.push(
    '',
    'What this cluster does not show: network policies (nothing enforces them here), DNS (the overlay names the address of its servers), an autoscaler that measures (there is no metrics server; its floor of three pods is what makes three), and newer APIs than those of 1.20.',
    '',
  );
  return lines.join('\n');
};

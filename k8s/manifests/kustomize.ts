/**
 * `kubectl kustomize`, as much of it as our overlays use, so that what would be deployed can be looked at where there is no
 * kubectl. Strict where kubectl is kind: a field of a kustomization that is not known here stops the build, and so does a
 * patch without a target. A test compares the two wherever a kubectl is new enough.
 */
import { readFileSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { nameByContent } from './contentNames.ts';
import {
  asResource,
  isObject,
  type Json,
  type JsonObject,
  Mistake,
  type Resource,
  readOne,
  readYaml,
} from './document.ts';
import { applyOperations, mergeObjects } from './merge.ts';

const FIELDS = new Set([
  'apiVersion',
  'kind',
  'namespace',
  'labels',
  'resources',
  'components',
  'configMapGenerator',
  'generatorOptions',
  'patches',
  'replicas',
  'images',
]);

/** Kinds that belong to no namespace. */
const CLUSTER_WIDE = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'PriorityClass',
  'StorageClass',
]);

const listOf = (owner: JsonObject, field: string, from: string): JsonObject[] => {
  const list = owner[field] ?? [];
  if (!Array.isArray(list) || !list.every(isObject))
    throw new Mistake(`${from}: ${field} is a list of objects`);
  return list;
};

const textsOf = (owner: JsonObject, field: string, from: string): string[] => {
  const list = owner[field] ?? [];
  if (!Array.isArray(list) || !list.every(one => typeof one === 'string'))
    throw new Mistake(`${from}: ${field} is a list of texts`);
  return list;
};

const onlyFields = (value: JsonObject, allowed: readonly string[], from: string): void => {
  const stranger = Object.keys(value).find(field => !allowed.includes(field));
  if (stranger !== undefined) throw new Mistake(`${from}: ${stranger} is not known here`);
};

const read = (path: string, from: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Mistake(`${from}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
};

/** KEY=VALUE lines, with comments. */
const envLines = (text: string, from: string): [string, string][] =>
  text
    .split('\n')
    .map(line => line.trimStart())
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
    .map(line => {
      const at = line.indexOf('=');
      if (at < 1) throw new Mistake(`${from}: "${line}" is not NAME=value`);
      return [line.slice(0, at), line.slice(at + 1)];
    });

class Builder {
  resources: Resource[] = [];
  /** ConfigMaps that are called after their contents once everything is put together. */
  readonly contentNamed = new Set<string>();
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** What stands in this folder, over what `resources` holds already. */
  folder(folder: string): void {
    const file = join(folder, 'kustomization.yaml');
    const from = relative(this.#root, file);
    const own = readOne(read(file, from), from);
    const stranger = Object.keys(own).find(field => !FIELDS.has(field));
    if (stranger !== undefined) throw new Mistake(`${from}: ${stranger} is not known here`);
    const component = own.kind === 'Component';
    const version = `kustomize.config.k8s.io/${component ? 'v1alpha1' : 'v1beta1'}`;
    if (own.apiVersion !== version || (!component && own.kind !== 'Kustomization'))
      throw new Mistake(`${from}: is ${String(own.kind)} of ${String(own.apiVersion)}, not of ${version}`);
    for (const name of textsOf(own, 'resources', from)) this.#take(resolve(folder, name), from);
    for (const name of textsOf(own, 'components', from)) this.folder(resolve(folder, name));
    for (const one of listOf(own, 'configMapGenerator', from)) this.#configMap(one, own, folder, from);
    for (const one of listOf(own, 'patches', from)) this.#patch(one, folder, from);
    if (typeof own.namespace === 'string') this.#namespace(own.namespace);
    for (const one of listOf(own, 'labels', from)) this.#labels(one, from);
    for (const one of listOf(own, 'replicas', from)) this.#replicas(one, from);
    for (const one of listOf(own, 'images', from)) this.#image(one, from);
  }

  #take(path: string, from: string): void {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      const inner = new Builder(this.#root);
      inner.folder(path);
      for (const one of inner.resources) this.#add(one, from);
      for (const name of inner.contentNamed) this.contentNamed.add(name);
      return;
    }
    const where = relative(this.#root, path);
    for (const one of readYaml(read(path, from), where)) this.#add(asResource(one, where), where);
  }

  #add(resource: Resource, from: string): void {
    const { kind, metadata } = resource;
    if (this.resources.some(one => one.kind === kind && one.metadata.name === metadata.name))
      throw new Mistake(`${from}: ${kind} ${metadata.name} is there already`);
    this.resources.push(resource);
  }

  #configMap(wish: JsonObject, own: JsonObject, folder: string, from: string): void {
    onlyFields(wish, ['name', 'behavior', 'envs', 'files', 'literals', 'options'], from);
    const common = isObject(own.generatorOptions) ? own.generatorOptions : {};
    const options = { ...common, ...(isObject(wish.options) ? wish.options : {}) };
    onlyFields(options, ['disableNameSuffixHash', 'labels'], from);
    const data: Record<string, string> = {};
    for (const name of textsOf(wish, 'envs', from))
      for (const [key, value] of envLines(read(join(folder, name), from), name)) data[key] = value;
    for (const name of textsOf(wish, 'files', from)) data[basename(name)] = read(join(folder, name), from);
    for (const line of textsOf(wish, 'literals', from))
      for (const [key, value] of envLines(line, from)) data[key] = value;
    const present = this.resources.find(one => one.kind === 'ConfigMap' && one.metadata.name === wish.name);
    if (wish.behavior === 'merge') {
      if (present === undefined)
        throw new Mistake(`${from}: there is no ConfigMap ${String(wish.name)} to merge with`);
      present.data = { ...(present.data as JsonObject), ...data };
      return;
    }
    if (wish.behavior !== undefined)
      throw new Mistake(`${from}: behavior ${String(wish.behavior)} is not known here`);
    if (options.disableNameSuffixHash !== true) this.contentNamed.add(String(wish.name));
    const labels: JsonObject = isObject(options.labels) ? { labels: options.labels } : {};
    const made = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: wish.name ?? null, ...labels },
      data,
    };
    this.#add(asResource(made, from), from);
  }

  #patch(wish: JsonObject, folder: string, from: string): void {
    onlyFields(wish, ['path', 'patch', 'target'], from);
    const where = typeof wish.path === 'string' ? relative(this.#root, join(folder, wish.path)) : from;
    const text = typeof wish.path === 'string' ? read(join(folder, wish.path), from) : wish.patch;
    if (typeof text !== 'string') throw new Mistake(`${from}: a patch has a path or a text`);
    for (const patch of readYaml(text, where)) {
      if (wish.target === undefined && !isObject(patch))
        throw new Mistake(`${where}: operations need a target`);
      const target = (wish.target ?? this.#ownTarget(asResource(patch, where))) as JsonObject;
      onlyFields(target, ['group', 'version', 'kind', 'name'], where);
      const hit = this.resources.filter(one => matches(one, target));
      if (hit.length === 0)
        throw new Mistake(`${where}: there is nothing to patch (${JSON.stringify(target)})`);
      for (const resource of hit) this.#patchOne(resource, patch, where);
    }
  }

  #ownTarget(patch: Resource): JsonObject {
    const [group, version] = groupOf(patch.apiVersion);
    return { group, version, kind: patch.kind, name: patch.metadata.name };
  }

  #patchOne(resource: Resource, patch: Json, from: string): void {
    const at = this.resources.indexOf(resource);
    if (isObject(patch) && patch.$patch === 'delete') this.resources.splice(at, 1);
    else if (isObject(patch)) {
      // a patch says whom it means; who it is stays
      const { apiVersion, kind, metadata } = resource;
      const merged = mergeObjects(resource, patch, from);
      const name = { ...(merged.metadata as JsonObject), name: metadata.name };
      this.resources[at] = { ...merged, apiVersion, kind, metadata: name };
    } else if (Array.isArray(patch))
      this.resources[at] = asResource(applyOperations(resource, patch, from), from);
    else throw new Mistake(`${from}: a patch is an object or a list of operations`);
  }

  #namespace(namespace: string): void {
    for (const one of this.resources) {
      if (one.kind === 'Namespace') one.metadata.name = namespace;
      else if (!CLUSTER_WIDE.has(one.kind)) one.metadata.namespace = namespace;
    }
  }

  #labels(wish: JsonObject, from: string): void {
    // into selectors they could never be put again: those of a Deployment are fixed for life
    onlyFields(wish, ['pairs'], from);
    for (const one of this.resources)
      one.metadata.labels = {
        ...(isObject(one.metadata.labels) ? one.metadata.labels : {}),
        ...(wish.pairs as JsonObject),
      };
  }

  #replicas(wish: JsonObject, from: string): void {
    onlyFields(wish, ['name', 'count'], from);
    const hit = this.resources.filter(
      one => ['Deployment', 'StatefulSet'].includes(one.kind) && one.metadata.name === wish.name,
    );
    if (hit.length === 0) throw new Mistake(`${from}: replicas: there is no ${String(wish.name)}`);
    for (const one of hit) (one.spec as JsonObject).replicas = wish.count ?? null;
  }

  #image(wish: JsonObject, from: string): void {
    onlyFields(wish, ['name', 'newName', 'newTag', 'digest'], from);
    let found = false;
    const walk = (value: Json): void => {
      if (Array.isArray(value)) value.forEach(walk);
      else if (isObject(value)) {
        for (const [field, inner] of Object.entries(value)) {
          if (!['containers', 'initContainers'].includes(field) || !Array.isArray(inner)) {
            walk(inner);
            continue;
          }
          for (const container of inner as JsonObject[]) {
            const image = String(container.image);
            if (image.replace(/(@sha256:.*|:[^:/]*)$/, '') !== wish.name) continue;
            found = true;
            const end = wish.digest === undefined ? `:${String(wish.newTag)}` : `@${String(wish.digest)}`;
            container.image = `${String(wish.newName ?? wish.name)}${end}`;
          }
        }
      }
    };
    this.resources.forEach(walk);
    if (!found) throw new Mistake(`${from}: images: nobody runs ${String(wish.name)}`);
  }
}

const groupOf = (apiVersion: string): [group: string, version: string] => {
  const at = apiVersion.indexOf('/');
  return at < 0 ? ['', apiVersion] : [apiVersion.slice(0, at), apiVersion.slice(at + 1)];
};

const matches = (resource: Resource, target: JsonObject): boolean => {
  const [group, version] = groupOf(resource.apiVersion);
  return (
    (target.group === undefined || target.group === group) &&
    (target.version === undefined || target.version === version) &&
    (target.kind === undefined || target.kind === resource.kind) &&
    (target.name === undefined || target.name === resource.metadata.name)
  );
};

/**
 * The objects that an overlay deploys.
 *
 * @param root what paths in sentences begin at
 * @throws Mistake with one sentence that names the file
 */
export function build(folder: string, root: string): Resource[] {
  const builder = new Builder(resolve(root));
  builder.folder(resolve(folder));
  nameByContent(builder.resources, builder.contentNamed);
  return builder.resources;
}

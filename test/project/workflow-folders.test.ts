import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unstable_readConfig as readConfig } from 'wrangler'
import { layerPath } from '../../src/engine/names.ts'
import { reconcileCron } from '../../src/engine/reconcile.ts'
import { layerNames } from '../../src/workflows/contract.ts'
import { registry } from '../../src/workflows/registry.ts'
import { root } from './source.ts'

const folders = readdirSync(join(root, 'src/workflows'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)

describe('the workflows', () => {
  test('each have a folder, by their name, with a definition', () => {
    expect(folders.length).toBeGreaterThan(0)
    expect(folders.filter((name) => !existsSync(join(root, 'src/workflows', name, 'definition.ts')))).toEqual(
      [],
    )
    expect(registry.map(({ name }) => name).toSorted()).toEqual(folders.toSorted())
  })

  test.for(folders)('in the folder %s is the one that the registry has by that name', async (name) => {
    const module: unknown = await import(join(root, 'src/workflows', name, 'definition.ts'))
    expect(module).toHaveProperty(
      'default',
      registry.find((workflow) => workflow.name === name),
    )
    expect(module).toHaveProperty('default.name', name)
  })

  test('have no name, route or read path in common', () => {
    const names = registry.map(({ name }) => name)
    const routes = registry.flatMap((workflow) => layerNames.map((layer) => layerPath(workflow, layer)))
    const reads = registry.flatMap(({ read }) => (read === undefined ? [] : [read.path]))
    for (const all of [names, routes, reads]) expect(new Set(all).size).toBe(all.length)
  })

  test('are started by the cron triggers of the deployment, one for each schedule and one that reconciles', () => {
    const { triggers } = readConfig({ config: join(root, 'wrangler.jsonc') })
    const schedules = registry.flatMap(({ schedule }) => (schedule === null ? [] : [schedule]))
    expect(triggers.crons?.toSorted()).toEqual([...new Set([...schedules, reconcileCron])].toSorted())
  })
})

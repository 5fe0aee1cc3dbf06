import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { adminToken } from '../local/stack.ts'
import { root } from '../project/source.ts'
import { deployment } from './deployment.ts'

// At the definition's pace, so that there is a middle to interfere in.
const { call, url } = await deployment({
  population: { users: 60, agents: 120 },
  flowControlFactor: 1,
  qstash: { timeScale: 1 },
})

/** The shell blocks below a heading of the README, in order. */
async function commandsBelow(heading: string): Promise<string[]> {
  const text = await readFile(join(root, 'README.md'), 'utf8')
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? '')
}

test('every command of the first hour works as written, and the proof balances', async () => {
  const [setUp, ...blocks] = await commandsBelow('The first hour with a real batch')
  expect(blocks.length).toBeGreaterThan(7)
  // Where the deployment is, and its token, are what the reader fills in.
  const ours = setUp?.replace('http://127.0.0.1:8787', url).replace('local-admin-token', adminToken)
  const directory = await mkdtemp(join(tmpdir(), 'rounds-'))
  try {
    const script = ['set -eu', ours, ...blocks, 'echo "BATCH=$BATCH"'].join('\n')
    const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: directory }).catch(
      (error: unknown) => {
        throw new Error(String(Reflect.get(Object(error), 'stdout')).slice(-3000), { cause: error })
      },
    )
    expect(stdout).toContain('event: batch')
    const id = /BATCH=(\S+)/.exec(stdout)?.[1] ?? ''
    const { body } = await call('GET', `/api/admin/batches/${id}/proof`)
    expect(body).toMatchObject({ balanced: true })

    const lines = (await readFile(join(directory, 'proof.ndjson'), 'utf8')).trim().split('\n')
    const end = z.object({ type: z.literal('end'), items: z.int() }).parse(JSON.parse(lines.at(-1) ?? ''))
    expect(end.items).toBe(lines.length - 2)
    expect(end.items).toBeGreaterThan(30)
    const { data } = z
      .object({ data: z.array(z.object({ action: z.string(), actor: z.string() })) })
      .parse((await call('GET', `/api/admin/changes?batchId=${id}`)).body)
    const ada = data.filter(({ actor }) => actor.startsWith('ada-'))
    expect(ada.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['batch.start', 'batch.limits', 'batch.pause', 'batch.resume']),
    )
  } finally {
    await rm(directory, { recursive: true })
  }
}, 120_000)

import { cp, mkdtemp, readFile, rm, symlink, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { deployment } from './deployment.ts'

const project = join(import.meta.dirname, '../..')

/** The example under "Add a workflow", as the README prints it. */
async function exampleFromReadme(): Promise<string> {
  const readme = await readFile(join(project, 'README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('## Add a workflow'))
  const code = /```ts\n(.*?)```/s.exec(section)?.[1]
  if (code === undefined) throw new Error('the README has no example of a workflow')
  return code
}

/** A copy of the project with one folder, one registry line and one cron line more. */
async function projectWithTheExample(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'rounds-workflow-'))
  afterAll(() => rm(copy, { recursive: true, force: true }))
  for (const name of ['src', 'package.json', 'tsconfig.json', 'wrangler.jsonc']) {
    await cp(join(project, name), join(copy, name), { recursive: true })
  }
  await symlink(join(project, 'node_modules'), join(copy, 'node_modules'))

  await mkdir(join(copy, 'src/workflows/birthday-greeting'))
  await writeFile(join(copy, 'src/workflows/birthday-greeting/definition.ts'), await exampleFromReadme())
  await edit(
    join(copy, 'src/workflows/registry.ts'),
    '[welcomePlaceholder',
    '[birthdayGreeting, welcomePlaceholder',
  )
  await edit(
    join(copy, 'src/workflows/registry.ts'),
    'import ',
    "import birthdayGreeting from './birthday-greeting/definition.ts'\nimport ",
  )
  await edit(join(copy, 'wrangler.jsonc'), '"crons": [', '"crons": ["15 4 * * *", ')
  return copy
}

async function edit(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
  await writeFile(file, text.replace(from, to))
}

const { worker, call, run, stack, batches } = await deployment({
  root: await projectWithTheExample(),
  population: { users: 40, agents: 0 },
})

test('a third workflow takes one folder, one registry line and one cron line', async () => {
  const { body } = await call('GET', '/api/admin/workflows')
  const names = z.object({ data: z.array(z.object({ name: z.string() })) }).parse(body)
  expect(names.data.map(({ name }) => name)).toContain('birthday-greeting')

  expect(await run('birthday-greeting', { limit: 10 })).toMatchObject({
    status: 'completed',
    counts: { recorded: 10, succeeded: 10 },
  })
  expect((await call('GET', '/api/users/u000001/birthday-greeting')).body).toMatchObject({
    greeting: expect.stringMatching(/./),
  })

  expect((await fetch(`${worker.url}/cdn-cgi/handler/scheduled?cron=15+4+*+*+*`)).ok).toBe(true)
  await stack.qstash.idle()
  expect((await batches())[0]).toMatchObject({
    startedBy: 'cron',
    status: 'completed',
    counts: { failed: 0 },
  })
})

import { cp, mkdtemp, readFile, rm, symlink, writeFile, mkdir } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { deployment, underWrangler } from './deployment.ts'

const project = join(import.meta.dirname, '../..')

/** The definitions under "Add a workflow", as the README prints them. */
async function examplesFromReadme(): Promise<[string, string]> {
  const readme = await readFile(join(project, 'README.md'), 'utf8')
  const section = readme.slice(readme.indexOf('## Add a workflow'))
  const [inOneStep, durable] = [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code)
  if (inOneStep === undefined || durable === undefined) {
    throw new Error('the README has no example of each kind of workflow')
  }
  return [inOneStep, durable]
}

/** A copy of the project with, for each example, one folder, one registry line and one cron line more. */
async function projectWithTheExamples(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'rounds-workflow-'))
  afterAll(() => rm(copy, { recursive: true, force: true }))
  for (const name of ['src', 'package.json', 'tsconfig.json', 'wrangler.jsonc']) {
    await cp(join(project, name), join(copy, name), { recursive: true })
  }
  await symlink(join(project, 'node_modules'), join(copy, 'node_modules'))

  const [birthdayGreeting, winBack] = await examplesFromReadme()
  await add(copy, 'birthday-greeting', birthdayGreeting, '15 4 * * *')
  await add(copy, 'win-back', winBack, '45 9 * * *')
  return copy
}

async function add(copy: string, name: string, definition: string, cron: string): Promise<void> {
  const registry = join(copy, 'src/workflows/registry.ts')
  const variable = name.replace(/-(.)/, (_, letter: string) => letter.toUpperCase())
  await mkdir(join(copy, 'src/workflows', name))
  await writeFile(join(copy, 'src/workflows', name, 'definition.ts'), definition)
  await edit(registry, '  welcomePlaceholder,', `  ${variable},\n  welcomePlaceholder,`)
  await edit(registry, 'import ', `import ${variable} from './${name}/definition.ts'\nimport `)
  await edit(join(copy, 'wrangler.jsonc'), '"crons": [', `"crons": ["${cron}", `)
}

async function edit(file: string, from: string, to: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
  await writeFile(file, text.replace(from, to))
}

const copy = await projectWithTheExamples()
const { url, call, run, stack, batches } = await deployment({
  serve: underWrangler(copy),
  population: { users: 50, agents: 0 },
})

test('the examples compile', async () => {
  const only = ['birthday-greeting', 'win-back'].map((name) => `src/workflows/${name}/definition.ts`)
  const config = {
    extends: './tsconfig.json',
    compilerOptions: { types: ['node'] },
    include: [],
    files: only,
  }
  await writeFile(join(copy, 'tsconfig.examples.json'), JSON.stringify(config))
  const tsc = join(project, 'node_modules/.bin/tsc')
  const said = await promisify(execFile)(tsc, ['-p', 'tsconfig.examples.json'], { cwd: copy }).then(
    ({ stdout }) => stdout,
    (error: unknown) => z.object({ stdout: z.string() }).parse(error).stdout,
  )
  expect(said).toBe('')
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

  expect((await fetch(`${url}/cdn-cgi/handler/scheduled?cron=15+4+*+*+*`)).ok).toBe(true)
  await stack.qstash.idle()
  expect((await batches())[0]).toMatchObject({
    startedBy: 'cron',
    status: 'completed',
    counts: { failed: 0 },
  })
})

const sentTexts = () => stack.mail.sent().map(({ text }) => text)

test('a durable workflow too', async () => {
  const started = await call('POST', '/api/admin/workflows/win-back/batches', { limit: 1 })
  const { id } = z.object({ id: z.string() }).parse(started.body)
  const counts = async () => {
    const { body } = await call('GET', `/api/admin/batches/${id}`)
    return z.object({ counts: z.record(z.string(), z.number()) }).parse(body).counts
  }
  await expect.poll(counts, { timeout: 20_000 }).toMatchObject({ recorded: 1, waiting: 1 })
  expect(sentTexts()).toEqual(['Your account is still here.'])
  const week = 7 * 86_400_000
  for (let weeks = 0; weeks < 4; weeks += 1) {
    await stack.qstash.idle({ ignoreDelayed: true })
    stack.qstash.advance(week)
  }
  await expect.poll(counts, { timeout: 20_000 }).toMatchObject({ succeeded: 1, waiting: 0 })
  expect(sentTexts()).toEqual(['Your account is still here.', 'This is the last time we write.'])
})

import { expect, test } from 'vitest'
import { readSource } from './source.ts'

const files = readSource()
const linesOf = (text: string) => text.trimEnd().split('\n').length

test('a file of the Worker has at most 200 lines', () => {
  const long = files
    .map(({ path, text }) => ({ path, lines: linesOf(text) }))
    .filter(({ lines }) => lines > 200)
  expect(long).toEqual([])
})

test('a file of the Worker is named in kebab-case', () => {
  expect(
    files.filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(path)),
  ).toEqual([])
})

test('nothing in the Worker has the type any', () => {
  expect(files.filter(({ anys }) => anys > 0).map(({ path }) => path)).toEqual([])
})

test('no comment in the Worker silences a checker without a reason, or leaves work for later', () => {
  const marks = [
    /@ts-(ignore|nocheck|expect-error)/,
    /\b(TODO|FIXME|XXX|HACK)\b/,
    /(oxlint|eslint)-disable(?!-next-line \S+ -- \w)/,
    /prettier-ignore/,
  ]
  const marked = files.flatMap(({ path, comments }) =>
    comments
      .filter((comment) => marks.some((mark) => mark.test(comment)))
      .map((comment) => `${path}:${comment}`),
  )
  expect(marked).toEqual([])
})

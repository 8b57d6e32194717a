import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitsPattern, parseSize, parseTime } from '../../lib/config/value.js'

const sizes = [
  ['50M', 52_428_800],
  ['1.5G', 1_610_612_736],
  ['64k', 65_536],
  ['64 KiB', 65_536],
  ['2MB', 2_097_152],
  ['1000', 1_000],
  ['0', 0],
  ['', undefined],
  ['M', undefined],
  ['-1M', undefined],
  ['fifty', undefined],
  ['50m/s', undefined],
  ['99999999999999999T', undefined],
] as const
for (const [text, octets] of sizes)
  test(`parseSize() ${JSON.stringify(text)}`, () => assert.equal(parseSize(text), octets))

const times = [
  ['0s', 0],
  ['250ms', 250],
  ['2s', 2_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['5d', 432_000_000],
  ['1w', 604_800_000],
  ['5', undefined],
  ['', undefined],
  ['5 m', undefined],
  ['5M', undefined],
  ['five', undefined],
] as const
for (const [text, milliseconds] of times)
  test(`parseTime() ${JSON.stringify(text)}`, () => assert.equal(parseTime(text), milliseconds))

const patterns = [
  ['me@naver.com', 'me@naver.com', true],
  ['me@naver.com', 'ME@Naver.com', true],
  ['*@naver.com', 'anyone@naver.com', true],
  ['*@naver.com', 'anyone@mail.naver.com', false],
  ['naver.com', 'anyone@naver.com', true],
  ['git*@x.org', 'gitea+ci@x.org', true],
  ['a.c@x.org', 'abc@x.org', false],
  ['*', 'a@b', true],
  ['*', '', true],
  ['<>', '', true],
  ['<>', 'a@b', false],
] as const
for (const [pattern, address, fits] of patterns)
  test(`fitsPattern() ${pattern} ${JSON.stringify(address)}`, () =>
    assert.equal(fitsPattern([pattern], address), fits))

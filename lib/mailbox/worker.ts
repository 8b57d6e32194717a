/** The thread on which texts are searched. */
import { answer } from '../sys/threads.js'
import { workOnTexts } from './text-work.js'

answer(workOnTexts)

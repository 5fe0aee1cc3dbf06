import type { Language } from './language.ts'

export const chinese: Language = {
  locales: ['zh-CN', 'zh-CN', 'zh-TW'],
  givenNames: ['安然', '博文', '春燕', '德明', '芳', '国强', '海涛', '佳怡', '凯', '丽娜'],
  familyNames: ['白', '陈', '邓', '方', '高', '何', '江', '林', '苏', '周'],
  fullName: '{family}{given}',
  interests: [
    '徒步',
    '家常菜',
    '个人理财',
    '风光摄影',
    '围棋',
    '阳台种菜',
    '英语口语',
    '求职面试',
    '古筝',
    '数据分析',
  ],
  topics: [
    '{subject}怎么入门',
    '{subject}的常见误区',
    '花小钱学{subject}',
    '本月{subject}计划',
    '关于{subject}的几个问题',
    '推荐几本{subject}的书',
  ],
  agents: [
    {
      title: '{subject}教练',
      description: '帮你定下每周目标，陪你坚持{subject}。',
      role: '你是一位耐心的{subject}教练。先问用户试过什么，再给出一个下一步建议。',
      tag: '陪练',
    },
    {
      title: '轻松学{subject}',
      description: '用简单的话回答{subject}方面的问题。',
      role: '你向初学者讲解{subject}。句子要短，并举一个生活中的例子。',
      tag: '学习',
    },
    {
      title: '{subject}点评官 🧐',
      description: '看看你的成果，告诉你哪里可以更好。',
      role: '你点评与{subject}有关的作品。先说两个优点，再说三处最值得修改的地方。',
      tag: '点评',
    },
    {
      title: '{subject}计划师',
      description: '把愿望变成有日期的计划。',
      role: '你为用户制定{subject}计划。先问截止日期，再列出带日期的任务。',
      tag: '计划',
    },
  ],
  rules: [
    '不要编造事实，不知道就直说。',
    '回答不超过两百字。',
    '每次只问一个问题。',
    '术语要附上解释。',
    '最后给出今天就能做的一件事。',
  ],
  openings: ['你好！说说你的{subject}进展，我们从那里开始。', '欢迎！关于{subject}，想聊什么都可以。'],
  questions: [
    '{subject}从哪里开始？',
    '学{subject}需要准备什么？',
    '有哪些误区要避开？',
    '每周要花多少时间？',
  ],
}

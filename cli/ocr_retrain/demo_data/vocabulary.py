"""Words that the rendered general lines are made of.

English words and Chinese words that stand on invoices, delivery notes and labels. Every character
is in PP-OCR's dictionary, so that a misread is the model's and not the dictionary's.
"""

_ENGLISH = """
able account address advance after agency agreement airport amount animal annual answer apple
april article assembly august autumn available average balance banana barrel basket battery
before below between bicycle bottle branch bridge brother budget building business button
cabinet calendar camera capital carbon careful carpet carrier castle catalogue centre chain
change charge chicken circle citizen clerk climate closed coffee collect colour column common
company complete concrete contact contract copper corner cotton council country courier cover
credit current curtain customer damage daughter december decision degree delivery deposit
design dinner direct discount distance doctor double driver during eastern economy editor
electric eleven employee engine english enough entrance envelope equipment evening example
exchange exhibition express fabric factory family farmer father february figure filter final
finish flower forest forward fragile freight friday friend furniture future garden gasoline
general glass gravity grocery handle harbour hardware harvest heating height history holiday
hospital hotel house hundred hydraulic imported include income industry insurance interest
inventory invoice island january journey july june kitchen label ladder language laundry
leather lecture length letter library licence light liquid little lower luggage machine
magazine maintenance manager manual march market material maximum measure mechanic medical
member message metal middle million mineral minimum minute mirror model monday money month
morning mother motor mountain museum natural network newspaper nickel nitrogen normal north
notice november number october office officer opening orange orchard original outside oxygen
package painting paper parcel partner passenger pattern payment pension people pepper picture
plastic platform please pocket police polymer position postage potato pottery powder pressure
printer private problem product profit program project promise property protein public pump
purchase quality quantity quarter question railway reason receipt receiver record refund
region register repair report request research reserve resin result return river rubber
safety salary sample saturday school science season second section security september serial
series service seven shelter shipment shoulder signal silver sister slowly smooth society
solution southern spare special spring square stadium standard station steel stock storage
street student sugar summer sunday supplier support surface switch system tablet tailor
teacher telephone temperature theatre thousand through thursday ticket timber tobacco tomato
total tractor traffic transfer transport travel treasure tuesday turbine twenty under union
upper vacuum valley valve vehicle velvet village vinegar visitor voltage volume voucher
warehouse warning warranty water wednesday weekend weight welcome western wheat wheel window
winter wireless witness wooden workshop yellow yesterday zinc
"""

_INVOICE = """
Invoice Total Subtotal Date Order Ref Item Qty Due Batch Net
"""

_CHINESE = """
发票 号码 日期 金额 合计 单位 数量 单价 税率 税额 地址 电话 公司 名称 客户 联系 订单 编号 收货
发货 运输 仓库 产品 型号 规格 质量 检验 合格 生产 批号 有效 保质 重量 净重 毛重 体积 包装 箱号
北京 上海 广州 深圳 天津 重庆 南京 杭州 成都 武汉 西安 苏州 青岛 大连 厦门 长沙 昆明 济南 中国
有限 责任 集团 科技 电子 机械 化工 食品 药品 医院 学校 银行 邮政 铁路 航空 公路 海关 税务 财政
经理 主任 会计 出纳 审核 签字 盖章 备注 说明 注意 安全 危险 小心 轻放 向上 防潮 易碎 禁止 吸烟
温度 湿度 压力 电压 电流 功率 频率 速度 时间 小时 分钟 今天 明天 昨天 上午 下午 晚上 星期 春天
夏天 秋天 冬天 东方 西方 南方 北方 山水 花园 河流 海洋 森林 城市 农村 道路 桥梁 房屋 建筑 工程
设计 施工 材料 钢铁 水泥 木材 玻璃 塑料 橡胶 纸张 棉花 丝绸 衣服 鞋帽 家具 电器 汽车 火车 飞机
轮船 自行车 计算机 手机 网络 软件 硬件 数据 信息 系统 管理 服务 市场 销售 采购 价格 优惠 会员
老师 学生 朋友 家庭 父母 孩子 先生 女士 大家 世界 国家 人民 文化 历史 语言 文字 图书 音乐 电影
体育 足球 健康 营养 水果 苹果 香蕉 葡萄 蔬菜 白菜 土豆 牛肉 鸡蛋 牛奶 面包 米饭 茶叶 咖啡
"""

ENGLISH_WORDS = tuple(_ENGLISH.split())
INVOICE_WORDS = tuple(_INVOICE.split())
CHINESE_WORDS = tuple(_CHINESE.split())

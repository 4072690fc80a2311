"""The words that name columns, in several languages: a table for names.py, and nothing else."""

TABLE = """
[question]
question: frage fragen kundenfrage pregunta preguntas domanda pergunta vraag 问题 提问 問題 質問 问
question: вопрос вопросы pytanie soru 질문 питання
question: سؤال السؤال پرسش प्रश्न सवाल שאלה ερωτηση คำถาม cau_hoi pertanyaan otazka kerdes intrebare
question: fraga spørgsmål spørsmål
prompt: aufforderung 提示 提示词 プロンプト
query: anfrage suchanfrage kundenanfrage consulta requete richiesta consulta_cliente demande zoekopdracht 查询 クエリ
query: запрос zapytanie sorgu 문의
instruction: anweisung instruktion auftrag instruccion consigne istruzione instrucao instructie 指令 指示 命令
input: eingabe entrada entree ingresso invoer 输入 入力
user: benutzer nutzer usuario utilisateur utente gebruiker 用户 ユーザー
problem: aufgabe problemstellung problema probleme exercice opgave 题目 题 难题
utterance: ausserung aeusserung enunciado enonce enunciato uiting 语句 话语 発話
request: bitte solicitud peticion pedido verzoek 请求 要求 リクエスト
human: mensch humano humain umano 人类
inquiry: kundenanliegen anliegen indagacion 咨询 諮詢
issue
user_message: nutzernachricht
front: vorderseite recto anverso fronte frente 正面 表面
task
[text]
text: texte texto testo tekst 文本 文字 テキスト 原文 текст tekst metin 텍스트
body: inhaltstext rumpf nachrichtentext cuerpo corps corpo 正文 内文 本文 邮件内容
content: inhalt contenido contenu contenuto conteudo inhoud 内容 コンテンツ
message: nachricht meldung mitteilung mensaje messaggio mensagem bericht 消息 信息 留言 メッセージ сообщение
message: wiadomosc mesaj 메시지 رسالة الرسالة
text: نص النص पाठ טקסט κειμενο ข้อความ van_ban teks szoveg
email: e_mail correo courriel mail posta 邮件 电子邮件 メール
mail
ticket: kundenticket tiquet tiquete 工单 チケット
review: rezension kundenbewertung resena critique avis recensione resenha recensie 评论 评价 点评 レビュー отзыв
review: recenzja yorum 리뷰
comment: kommentar comentario commentaire commento opmerking 批注 コメント
post: beitrag publicacion publication 帖子 投稿
description: beschreibung descripcion descrizione descricao omschrijving 描述 说明
sentence: satz oracion frase phrase zin 句子 文
article: artikel articulo articolo artigo 文章 記事
document: dokument documento 文档 文件 文書
transcript: transkript gesprach transcripcion transcription trascrizione transcricao 转录 记录 文字起こし
complaint: beschwerde reklamation queja reclamation plainte reclamo reclamacao klacht 投诉 苦情
story: geschichte historia histoire storia verhaal 故事 物語
tweet
paragraph: absatz parrafo paragraphe paragrafo 段落
statement: aussage declaracion declaration
claim: behauptung
code: quelltext quellcode programm codigo codice 代码 コード
report: rapport informe
letter: brief carta lettre
feedback_text
dialogue: dialog dialogo 对话 対話
abstract
original: draft entwurf brouillon borrador uncorrected buggy
[title]
title: titel uberschrift ueberschrift titulo titre titolo 标题 题名 タイトル заголовок tytul baslik 제목
subject: betreff asunto objet oggetto assunto onderwerp 主题 主旨 件名 тема temat konu
headline: schlagzeile titular 头条
[context]
context: kontext zusammenhang contexto contexte contesto 上下文 语境 背景 文脈
passage: textstelle pasaje passaggio 篇章
schema: tabellenschema esquema
background: hintergrund antecedentes
contexts: kontexte contextos contextes contesti retrieved_contexts retrieved_context retrieval_context
contexts: documents docs retrieved knowledge facts source_document source_documents reference_text wissen connaissances
contexts: reference_contexts retrieved_passages retrieved_documents retrieved_docs source_documents retrieved_chunks
evidence
chunk
persona: personality personalities personas
[answer]
answer: antwort antworten respuesta respuestas reponse reponses risposta antwoord 答案 回答 答え 解答 答
answer: ответ ответы odpowiedz cevap yanit 답변 대답 답 відповідь
answer: جواب الجواب إجابة الإجابة پاسخ उत्तर जवाब תשובה απαντηση คำตอบ cau_tra_loi jawaban odpoved valasz raspuns svar
response: ruckmeldung rueckmeldung resposta 响应 应答 応答
reply: antwortmail erwiderung ruckantwort replica replique 回复 答复 返信
completion: vervollstandigung completado 补全
output: ausgabe salida sortie uscita saida uitvoer 输出 出力
solution: losung loesung solucion soluzione solucao oplossing 解决方案 解 解法
assistant: assistent asistente assistente 助手 アシスタント
bot
target: ziel objetivo cible 目标
result: ergebnis resultado resultat risultato resultaat 结果 結果
final_answer
ground_truth: reference reference_answer
expected_answer
correction: edit human_edit edits korrektur correccion corrected korrigiert corregido corrige corretto corrigido
rewrite: rewritten revised edited fixed simplified umgeschrieben
agent_response
back: ruckseite verso reverso retro 背面 裏面
attempt
[summary]
summary: zusammenfassung kurzfassung resumen resume resumo riassunto samenvatting sintesi 摘要 总结 概要 要約
summary: резюме краткое_содержание streszczenie ozet 요약
notes: notizen protokoll notas notities appunti 笔记 纪要
highlights
tldr
minutes
key_points: kernpunkte
[description]
docstring
caption: bildunterschrift bildbeschreibung leyenda legende didascalia legenda 图注 说明文字
translation: ubersetzung uebersetzung traduccion traduction traduzione traducao vertaling 翻译 译文 訳
explanation: erklarung explicacion explication 解释
[label]
label: etikett bezeichnung etiqueta etiquette etichetta 标签 标注 ラベル метка etykieta etiket 라벨 레이블
class: klasse clase classe 类 クラス
category: kategorie categoria categorie rubrik rubrique 类别 分类 种类 カテゴリ категория kategoria kategori
category: 카테고리 분류 تصنيف التصنيف فئة الفئة श्रेणी קטגוריה κατηγορια หมวดหมู่ the_loai
sentiment: stimmung sentimiento sentimento 情感 情绪 感情 тональность настроение sentyment duygu 감정
intent: absicht intention intencion intento intencao 意图 意圖 意図
tag: schlagwort 标记 タグ
topic: thema tema sujet theme argomento 话题 トピック
department: abteilung bereich departamento departement service reparto afdeling 部门 科室 部署
type: art typ tipo 类型 タイプ
emotion: gefuhl gefuehl emocion emozione 心情
priority: prioritat prioritaet dringlichkeit prioridad urgencia priorite urgence priorita 优先级 紧急程度 優先度
status: zustand estado statut stato 状态
genre: gattung genero 体裁
severity: schweregrad gravedad gravite 严重程度
team: equipo equipe squadra 团队
queue: warteschlange cola file_d_attente 队列
spam
polarity: polaritat polaridad polarite
classification: klassifikation clasificacion
reason: grund motivo motif raison 原因
product: produkt producto produit 产品
difficulty: schwierigkeit
toxicity
stance
domain
[extraction]
entities: entitaten entitaeten entidades entites entita 实体 固有表現
json
fields: felder campos champs 字段
keywords: stichworte schlusselworter palabras_clave mots_cles 关键词 キーワード
slots
ner
spans
sql
extracted
attributes: attribute atributos attributs 属性
[rating]
rating: bewertung wertung note_client puntuacion valoracion calificacion evaluation valutazione avaliacao beoordeling
rating: 评分 打分 評価
score: punktzahl punkte puntaje puntos punteggio pontuacao 分数 得分 スコア балл оценка ocena puan 점수 평점
stars: sterne estrellas etoiles stelle estrelas sterren 星级
score: تقييم التقييم درجة मूल्यांकन דירוג βαθμολογια คะแนน đanh_gia penilaian hodnoceni ertekeles betyg
rating: csat nps satisfaction customer_satisfaction zufriedenheit satisfaccion soddisfazione satisfacao tevredenheid
rating: elegedettseg spokojenost zadowolenie memnuniyet 满意度 満足度 만족도 faithfulness groundedness relevancy
feedback: retroalimentacion retour 反馈 フィードバック 평가 degerlendirme
vote: stimme voto
thumbs: daumen pulgar pouce 点赞
quality: qualitat calidad qualite 质量
grade
reward
is_good: ist_gut gut
liked
helpfulness
[reasoning]
reasoning: begrundung gedankengang razonamiento raisonnement ragionamento raciocinio 推理 思考过程 推論
cot
chain_of_thought
complex_cot
thought: gedanke pensamiento pensee 思考 想法
thoughts: gedanken
thinking
rationale
scratchpad
think
reasoning_content
trajectory: thinking_trajectory
trace: reasoning_trace thinking_trace thought_process thinking_process
steps: reasoning_steps thinking_steps solution_steps
[choices]
choices: auswahl antwortmoglichkeiten opciones choix scelte escolhas 选项 选择 選択肢
options
option: opcion opzione opcao optie вариант opcja secenek 선택지
endings
alternatives: alternativen
[chosen]
chosen: bevorzugt gewahlt gewaehlt besser elegida elegido preferida preferido choisie choisi preferee prescelta scelta
chosen: escolhida escolhido preferita gekozen wybrana wybrany wybrane выбранный выбранная tercih_edilen secilen
chosen: 선택된 선택 选择的 被选中 优选 选中 较好 採用
[rejected]
rejected: abgelehnt verworfen schlechter rechazada rechazado rejetee rejete rifiutata rejeitada rejeitado scartata
rejected: afgewezen odrzucona odrzucony отклоненный отвергнутый отклоненная reddedilen 거부된 거절된 거부 拒绝的 被拒绝
rejected: 拒绝 落选 较差 却下
[winner]
winner: gewinner ganador gagnant vincitore vencedor 获胜者 胜者 勝者
winner: meilleure meilleur mejor migliore melhor beste 更好 更优 哪个更好 победитель zwyciezca kazanan 승자
[anchor]
anchor: anker ancla ancre
[positive]
positive: passend positivo positif pos
[negative]
negative: unpassend negativo negatif neg hard_negative hard_negatives negatives
[history]
history: verlauf historial historique cronologia historico 历史 履歴
[system]
system: systemprompt systemvorgabe sistema systeme 系统
system_prompt
system_message
[image]
image: bild foto imagen immagine imagem afbeelding 图片 图像 照片 画像
image_path: bildpfad bilddatei
file_name: dateiname nombre_archivo nom_fichier nome_file 文件名
filename
path: pfad ruta chemin percorso 路径
file: datei archivo fichier
img
picture
photo
[meta]
meta metadata extra_info
annotator annotators annotator_id annotateur rater rater_id reviewer labeler labeller worker worker_id editor
kunde kundin cliente client klant 客户 顧客 姓名 名前 nombre nom vorname nachname
id uuid guid idx index key nr number no row row_id qid docid doc_id ticket_id date datetime time timestamp created
created_at updated updated_at modified year month day url link href uri source src origin author username user_name
user_id sender recipient from to cc phone version license hash sha md5 split group slice model model_name lang
language locale country city customer customer_id order_id name first_name last_name agent_name dataset provider datum
zeit uhrzeit nummer absender empfanger quelle verfasser autor sprache fecha hora numero remitente fuente idioma auteur
test tests test_list test_cases unit_tests challenge_test_list test_setup_code entry_point
expediteur langue data ora autore lingua 编号 序号 日期 时间 链接 来源 作者 网址 语言 番号 日付
"""
"""``[concept]``, then a line for each English name.

The same word in German, Spanish, French, Chinese, Italian, Portuguese,
Dutch and Japanese, as ``names.normalize`` writes it. Under ``[meta]``: names of columns that say nothing about the
text."""

GOOD = """
good better best correct right gut gute guter gutes bessere besserer beste korrekte richtige buena bueno mejor correcta
correcto bonne bon meilleure meilleur correcte buona buono migliore corretta corretto boa bom melhor correta correto
goede goed betere juiste 好 好的 更好 更好的 正确 正确的 良い 良 より良い 正しい 좋은 더_좋은 올바른 хороший хорошая
хорошее лучший правильный dobra dobry dobre lepsza poprawna prawidlowa iyi dogru daha_iyi
bevorzugte gewahlte ausgewahlte akzeptierte elegida preferida aceptada choisie preferee acceptee scelta preferita
escolhida aceita gekozen verkozen wybrana wybrane preferowana выбранный предпочтительный выбранная secilen tercih_edilen
선택된 선호하는 选中的 被选中的 选择的 优选的 選ばれた 採用された
"""
BAD = """
bad worse worst incorrect wrong schlecht schlechte schlechter schlechtes schlechtere schlechteste falsche inkorrekte
mala malo peor incorrecta incorrecto mauvaise mauvais pire incorrecte fausse cattiva cattivo peggiore sbagliata
sbagliato errata ruim ma mau pior incorreta errada slechte slecht slechtere foute 差 差的 坏 坏的 不好 更差 更差的 错误
错误的 悪い 悪 より悪い 間違った 나쁜 더_나쁜 잘못된 плохой плохая плохое худший неправильный zla zly zle
zła zły złe gorsza niepoprawna bledna kotu yanlis daha_kotu
abgelehnte verworfene rechazada descartada rejetee refusee rifiutata scartata rejeitada recusada descartada afgewezen
odrzucona odrzucone отклоненный отвергнутый отклоненная reddedilen
hallucinated halluzinierte 거부된 거절된 被拒绝的 拒绝的 落选的 却下された
"""
"""What stands in front of or behind ``answer`` in the names of two columns, the better and the worse."""

LANGUAGES = """
aleman allemand anglais ar arabic bg bn bulgarian ca chinese chinesisch chino chinois croatian cs czech da danish de
deutsch dutch el en englisch english es espagnol espanol et fa fi finnish fr francais frances francese franzosisch
french german greek he hebrew hi hindi hr hu hungarian id indonesian ingles inglese is it italian italiano italien
italienisch ja japanese japanisch japonais japones ko korean lt lv ms nb niederlandisch nl no norwegian pl polish
polnisch portugues portuguese pt ro romanian ru ruso russian russisch sk sl slovak spagnolo spanisch spanish sr sv sw
swedish ta te tedesco th thai tr turkisch turkish uk ukrainian ur vi vietnamese zh 中文 德文 德语 日本語 日语 汉语
法文 法语 英文 英語 英语
"""
"""Codes and names of languages."""

CONDITIONS = """
tone style audience persona character format mood voice formality stil ton tonfall zielsprache zielgruppe estilo tono
"""
"""Words in the names of columns that say how an answer is to be written."""

"""The words that judge an answer, and the names of columns that do, in several languages: tables for judgements.py."""

_YES = """
true 1 1.0 yes y t x on ja j si s oui o vrai wahr vero sim 是 对 真 はい да tak evet 예 네 так ✓ ✔ ✅
"""
YES = frozenset(_YES.split())
_NO = """
false 0 0.0 no n f off nein non nee nao faux falso falsch 否 不是 假 いいえ нет nie hayir 아니오 아니요 ні ✗ ✘ ❌
"""
NO = frozenset(_NO.split())
"""What says whether the name of its column holds; of themselves they judge nothing."""

_GOOD = """
good great excellent perfect up thumbs_up thumbsup like liked positive accept accepted desirable very_good correct
right helpful approved approve pass passed ok okay fine valid accurate acceptable keep useful +1 + 👍 ⭕
gut sehr_gut super perfekt richtig korrekt angenommen akzeptiert freigegeben genehmigt hilfreich brauchbar bestanden
in_ordnung bueno buena correcto correcta aceptado aceptada aprobado aprobada util bon bonne correcte accepte acceptee
approuve approuvee utile buono buona corretto corretta accettato accettata approvato approvata bom boa correta aceito
aceita aprovado aprovada goed juist goedgekeurd 好 正确 通过 合格 接受 有用 良い 正しい 正解 хорошо хороший
верно правильно принято dobrze dobry dobra poprawna poprawny iyi dogru kabul
جيد ممتاز صحيح مقبول טוב נכון καλο σωστο tot đung baik benar
좋음 좋아요 맞음 정답 buenos muy_bueno muy_buena excelente tres_bon tres_bonne ottimo ottima otimo otima
"""
GOOD = frozenset(_GOOD.split())
_BAD = """
bad terrible awful horrible down thumbs_down thumbsdown dislike disliked negative reject rejected undesirable very_bad
poor very_poor incorrect wrong unhelpful fail failed nok not_ok invalid inaccurate unacceptable declined denied
discard
discarded useless garbage junk low_quality not_helpful -1 - 👎 hallucinated hallucination flagged
schlecht sehr_schlecht mangelhaft falsch inkorrekt abgelehnt verworfen unbrauchbar durchgefallen nicht_hilfreich
nicht_ok fehlerhaft malo mala incorrecto incorrecta rechazado rechazada mauvais mauvaise incorrecte refuse refusee
rejete rejetee cattivo cattiva sbagliato sbagliata errato rifiutato rifiutata ruim incorreto incorreta rejeitado
rejeitada slecht fout afgewezen 差 不好 错误 不通过 不合格 拒绝 没用 悪い 間違い 不正解 плохо плохой неверно
неправильно отклонено zle zly zla zła zły złe źle niepoprawna niepoprawny kotu yanlis ret
سيي سيء خاطي مرفوض רע שגוי κακο λαθος xau buruk salah
나쁨 싫어요 틀림 오답 needs_work needs_improvement
needs_revision pesimo pesima pessimo pessima
"""
BAD = frozenset(_BAD.split())
"""Verdicts that need no name; as ``judgements.clean`` writes them."""

_UNRATED = """
neutral none null nan n/a na unrated skip skipped mixed unknown pending open unclear undecided todo tbd
offen unklar ausstehend pendiente average so_so mediocre mittel mittelmassig mittelmaessig moyen moyenne regular
"""
UNRATED = frozenset(_UNRATED.split())
"""What stands where an answer has no rating."""

_BAD_NAMES = """
harmfulness risk risiko riesgo risque violation violates violations verstoss perplexity refusal errors fehlerquote
fehlerzahl toxizitat toxicidad toxicite escalated eskaliert duplicate duplikat complaint complaints needs_revision
needs_review needs_work plagiarism plagiat distance wer cer ter loss
bad toxic toxicity spam harmful harm unsafe offensive hateful hate abusive obscene nsfw insult threat hallucination
hallucinated hallucinates hallucinations wrong incorrect error erroneous mistake invalid inaccurate rejected reject
refused discarded discard deleted delete removed remove blocked banned flagged violation failed fail useless unhelpful
deprecated obsolete expired archived inactive superseded
garbage junk poor disliked downvoted reported unusable broken outdated biased bias inappropriate jailbreak jailbroken
schlecht falsch fehlerhaft fehler abgelehnt verworfen geloscht geloescht gesperrt unbrauchbar schadlich schaedlich
anstossig anstoessig giftig toxisch ungultig ungueltig gemeldet halluzination halluziniert veraltet
malo incorrecto rechazado rechazada toxico danino eliminado invalido mauvais incorrecte refuse rejete toxique nuisible
supprime errone invalide cattivo sbagliato rifiutato tossico dannoso rimosso ruim incorreto rejeitado nocivo removido
slecht fout afgewezen 错误 有害 有毒 垃圾 拒绝 删除 不合格 有害性 毒性 неверно ошибка ошибочный bledna bledny
blad yanlis hatali 오류
"""
BAD_NAMES = frozenset(_BAD_NAMES.split())
_STATES = """
deprecated obsolete expired archived inactive superseded active published enabled outdated veraltet error error_message
failed deleted removed duplicate duplikat escalated eskaliert refusal needs_review
weight loss_weight sample_weight example_weight
"""
STATES = frozenset(_STATES.split())
"""Of these the names that say what became of a row: its answer need not be a bad one."""
_GOOD_NAMES = """
weight loss_weight sample_weight example_weight
good ok okay correct right accepted accept approved approve helpful useful valid safe verified reviewed_ok accurate
active published enabled
acceptable usable keep kept pass passed desirable liked upvoted harmless truthful factual grounded faithful
gut korrekt richtig angenommen akzeptiert freigegeben genehmigt hilfreich brauchbar gultig gueltig sicher bestanden
geprueft_ok bueno correcto correcta aceptado aceptada aprobado aprobada util valido seguro bon correcte accepte
approuve utile valide buono corretto accettato approvato bom correto aceito aprovado goed juist goedgekeurd
正确 是否正确 通过 合格 接受 有用 是否通过 是否合格 是否有用 正解 合否 верно правильно корректно poprawna
poprawny poprawne dogru dogru_mu 정답여부 정답
"""
GOOD_NAMES = frozenset(_GOOD_NAMES.split())
"""What a flag in a column of this name says about the answer of its row."""

_FILLERS = """
is was has are be answer answers response responses output completion reply generation assistant model bot ai flag
label labels labelled marked check checked by human user reviewer annotator the a contains ist wurde antwort als
respuesta reponse risposta resposta es est e score scores prob probability level rating rate vote value text
"""
FILLERS = frozenset(_FILLERS.split())
"""Words of a name that change nothing of what its flag says."""
_NEGATIONS = """
not non no un nicht kein keine pas ne sin 不 未
"""
NEGATIONS = frozenset(_NEGATIONS.split())

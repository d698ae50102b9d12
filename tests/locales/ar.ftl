# Arabic, for tests: it proves the layout from right to left, and that a language can be added as a file.

language-name = العربية

moment = { $day } { $month ->
    [1] يناير
    [2] فبراير
    [3] مارس
    [4] أبريل
    [5] مايو
    [6] يونيو
    [7] يوليو
    [8] أغسطس
    [9] سبتمبر
    [10] أكتوبر
    [11] نوفمبر
   *[12] ديسمبر
} { $year }، { $time } UTC

skip-link = انتقل إلى المحتوى
footer-about = عن هذا الموقع
footer-terms = الشروط
footer-privacy = الخصوصية
footer-support = الدعم
footer-language = اللغة
footer-dev-mail = صندوق بريد التطوير
title-error = خطأ: { $page }
field-error = خطأ:
field-optional = (اختياري)
faults-title = حقول تحتاج إلى انتباهك: { $count }
faults-item = { $field }: { $detail }
onward = للمتابعة إلى { $app }

field-username = اسم المستخدم
field-username-hint = حتى 32 حرفًا أو رقمًا أو . _ - ويراه الآخرون.
field-email = البريد الإلكتروني
field-email-hint-confirm = سنرسل إليك رابطًا لتأكيده.
field-email-hint-optional = يتيح لك إعادة تعيين كلمة مرور منسية.
field-login = اسم المستخدم أو البريد الإلكتروني
field-password = كلمة المرور
field-password-hint = { $min } أحرف على الأقل. بضع كلمات غير مألوفة أفضل من الرموز.
field-new-password = كلمة المرور الجديدة
field-current-password = كلمة المرور الحالية
field-display-name = الاسم المعروض
field-display-name-hint = الاسم الذي يراه الآخرون.
field-new-email = البريد الإلكتروني الجديد
field-language = اللغة
field-language-browser = كما في المتصفح

home-title = مرحبًا
home-heading = مرحبًا بك في { $site }
home-lead = سجّل الدخول مرة واحدة وابقَ متصلًا على كل أجهزتك. وعند تسجيل الخروج تُغلق كل الاتصالات فورًا.
home-register = إنشاء حساب
home-login = تسجيل الدخول
first-use-title = هذا الموقع جديد
first-use-open = لا توجد حسابات بعد. أنشئ الأول لترى كيف يعمل كل شيء.
first-use-closed = لا توجد حسابات بعد.
first-use-admin = لإدارة الموقع، أضف مديرًا على هذا الحاسوب:
home-developers = للمطورين
home-developers-lead = الأمر نفسه من الطرفية. <link>اقرأ مرجع الواجهة</link>

login-title = تسجيل الدخول
login-forgot = هل نسيت كلمة المرور؟
login-button = تسجيل الدخول
login-register = جديد هنا؟ <link>أنشئ حسابًا</link>

register-title = أنشئ حسابك
register-button = إنشاء حساب
register-login = لديك حساب بالفعل؟ <link>سجّل الدخول</link>
register-invited-email = أنت مدعو. أُرسلت دعوتك إلى { $email } وسيكون بريدك الإلكتروني.
register-closed-title = التسجيل مغلق
register-closed = لا يقبل هذا الموقع حسابات جديدة.
register-invited-only-title = تحتاج إلى دعوة
register-invited-only = الحسابات الجديدة بالدعوة فقط. افتح الرابط في دعوتك للمتابعة.
confirm-first-title = تحقق من بريدك
confirm-first-lead = حسابك جاهز. أرسلنا رابطًا إلى { $email }. افتحه لتأكيد العنوان ثم سجّل الدخول.
confirm-first-again = لم يصل شيء بعد بضع دقائق؟ تحقق من مجلد الرسائل غير المرغوبة، أو سجّل الدخول لنرسل رابطًا آخر.

forgot-title = هل نسيت كلمة المرور؟
forgot-lead = أدخل اسم المستخدم أو البريد الإلكتروني، وسنرسل إليك رابطًا لتعيين كلمة مرور جديدة.
forgot-button = إرسال الرابط
forgot-login = <link>العودة إلى تسجيل الدخول</link>
forgot-sent-title = تحقق من بريدك
forgot-sent-lead = إن وُجد حساب له بريد باسم { $login } فالرابط في الطريق. وهو صالح ساعة واحدة.
forgot-sent-dev-mail = لم يُضبط خادم بريد. ستجد الرسالة في <link>صندوق بريد التطوير</link>.
forgot-sent-again = لم يصل شيء بعد بضع دقائق؟ تحقق من مجلد الرسائل غير المرغوبة، أو أرسله مجددًا.
forgot-sent-button = أرسل مجددًا

reset-title = عيّن كلمة مرور جديدة
reset-button = تعيين كلمة المرور
reset-note = سيُسجَّل خروجك من كل الأجهزة.
reset-account = الحساب
reset-choose = عدة حسابات تستخدم هذا البريد، ولم يؤكده أي منها. أيها حسابك؟
not-me-title = ألم تكن أنت؟
not-me-lead = سجّل شخص ما الدخول إلى الحساب { $username }:
not-me-address = من العنوان { $address }
not-me-button = تسجيل خروج هذا الجهاز
not-me-aside = بعد ذلك تعيّن كلمة مرور جديدة، فهناك من يعرف هذه. هل كنت أنت؟ أغلق هذه الصفحة ولن يتغير شيء.
restore-title = استعد حسابك
restore-lead = سيصبح { $email } بريد حسابك من جديد.
restore-note = عيّن كلمة مرور جديدة، فقد يعرف شخص آخر القديمة. سيُسجَّل خروجك من كل الأجهزة.

verify-title = أكّد بريدك الإلكتروني
verify-lead = أكّد أن { $email } هو بريد حسابك { $username }.
verify-button = تأكيد البريد
verify-aside = لم تطلب هذا؟ أغلق الصفحة ولن يتغير شيء.
verify-done-title = تم تأكيد البريد
verify-done-lead = تم تأكيد { $email } لحسابك { $username }.
verify-already-title = مؤكد بالفعل
verify-already-lead = { $email } مؤكد بالفعل لحسابك { $username }. لم يبقَ شيء تفعله.
verify-account = اذهب إلى حسابك

continue-title = المتابعة إلى { $app }
continue-lead = يريد { $app } تسجيل دخولك بهذا الحساب:
continue-button = المتابعة باسم { $username }
continue-other = <link>استخدم حسابًا آخر</link>
continue-dashboard = <link>اذهب إلى حسابك</link>
continue-aside = لم تأتِ من هذا التطبيق؟ أغلق الصفحة ولن يحدث شيء.

logout-title = تسجيل الخروج
logout-heading = هل تريد تسجيل الخروج؟
logout-lead = ستُغلق الاتصالات المباشرة لهذا المتصفح فورًا، وتبقى مسجل الدخول على أجهزتك الأخرى.
logout-onward = ثم ستعود إلى { $app }.
logout-button = تسجيل الخروج
logout-back = <link>العودة إلى حسابك</link>

dashboard-title = حسابك
dashboard-heading = مرحبًا، { $name }
dashboard-no-script = بدون جافاسكربت، أعد تحميل الصفحة لرؤية التغييرات.
dashboard-sign-out = تسجيل الخروج
live-reconnect = المحاولة الآن
setting-change = تغيير
setting-close = إغلاق
profile-title = الملف الشخصي
profile-lead = اسمك ولغتك وبريدك الإلكتروني.
profile-button = حفظ التغييرات
email-title = البريد الإلكتروني
email-confirmed = مؤكد
email-not-confirmed = غير مؤكد
email-none = لا يوجد بريد بعد. أضف بريدًا لتتمكن من إعادة تعيين كلمة مرور منسية.
email-add = إضافة بريد
email-hint-change = سنرسل رابطًا إلى هذا العنوان، ويحل محل بريدك الحالي بعد فتحه.
email-hint-add = سنرسل رابطًا إلى هذا العنوان. افتحه لتأكيده.
email-button = إرسال الرابط
email-waits = لم يُؤكَّد هذا العنوان بعد. افتح الرابط الذي أرسلناه، أو اطلب رابطًا جديدًا.
email-pending = يصبح { $email } بريدك بعد فتح الرابط الذي أرسلناه إليه.
email-send-again = إعادة الإرسال
email-cancel = إلغاء التغيير
export-title = بياناتك
export-lead = ملف يحتوي على كل ما هو محفوظ عنك.
export-button = تنزيل
security-title = الأمان
security-lead = كلمة المرور، وتسجيل الخروج من كل مكان، وما حدث مؤخرًا.
password-title = كلمة المرور
password-changed = آخر تعيين { $time }.
password-lead = اختر كلمة لا تستخدمها في مكان آخر.
password-note = سيُسجَّل خروجك من الأجهزة الأخرى.
password-button = تغيير كلمة المرور
everywhere-title = كل الأجهزة
everywhere-lead = تسجيل الخروج من كل جهاز، بما فيها هذا.
everywhere-button = تسجيل الخروج من كل مكان

activity-title = النشاط الأخير
activity-lead = ما حدث لحسابك. إن لم تكن أنت من فعل شيئًا منه، فغيّر كلمة المرور.
activity-none = لا شيء بعد.
activity-show-all = عرض كل النشاط
activity-times = عدد المرات: { $count }
activity-by-administrator = بواسطة مسؤول
activity-by-app = بواسطة خادم تطبيق
activity-by-server = تلقائيًا
activity-signed-in = تسجيل دخول
activity-signed-out = تسجيل خروج
activity-sign-in-failed = محاولة تسجيل دخول بكلمة مرور خاطئة
activity-sign-in-failed-locked = حُظر تسجيل الدخول بعد كلمات مرور خاطئة كثيرة
activity-sign-in-failed-disabled = محاولة تسجيل دخول والحساب معطّل
activity-sign-in-failed-email-not-verified = محاولة تسجيل دخول قبل تأكيد البريد الإلكتروني
activity-confirmation-failed = كلمة مرور خاطئة عند تأكيد تغيير
activity-confirmation-failed-locked = حُظر التغيير بعد كلمات مرور خاطئة كثيرة
activity-login-disowned = سُجّل خروج جهاز: قلت إنه ليس أنت
activity-password-guessed = سُجّل خروج جهاز بعد كلمات مرور خاطئة كثيرة
activity-refresh-reused = سُجّل خروج جهاز: استُخدم تسجيل دخوله في مكانين
activity-code-reused = سُجّل خروج تطبيق: استُخدم تسجيل دخوله مرتين
activity-registered = أُنشئ الحساب
activity-imported = نُقل الحساب من نظام آخر
activity-exported = أُنشئت نسخة من بياناتك
activity-password-changed = غُيّرت كلمة المرور
activity-password-reset = أُعيد تعيين كلمة المرور
activity-reset-started = أُرسل رابط لكلمة مرور جديدة
activity-email-change-requested = طُلب بريد إلكتروني جديد
activity-email-change-undone = أُلغي تغيير البريد الإلكتروني
activity-email-verified = أُكّد البريد الإلكتروني
activity-email-unverified = لم يعد البريد الإلكتروني مؤكدًا
activity-renamed = غُيّر الاسم
activity-language-changed = غُيّرت اللغة
activity-disabled = عُطّل الحساب
activity-enabled = فُعّل الحساب
activity-unlocked = نُسيت كلمات المرور الخاطئة
activity-roles-changed = غُيّرت الأدوار
activity-claims-changed = غُيّرت الصلاحيات في التطبيقات
activity-logins-revoked = سُجّل خروج الأجهزة
activity-room-member-added = أُضفت إلى غرفة
activity-room-member-removed = أُزلت من غرفة
activity-room-banned = حُظرت من غرفة
activity-room-unbanned = رُفع الحظر من غرفة
activity-room-kicked = أُخرجت من غرفة
activity-room-tokens-revoked = أُبطلت رموز الغرف
activity-mail-given-up = تعذّر إرسال بريد إليك
activity-other = غُيّر الحساب
devices-title = الأجهزة
devices-lead = هنا أنت مسجل الدخول. تسجيل خروج جهاز يغلق اتصالاته فورًا.
device-name = { $client } على { $system }
device-name-system = تطبيق غير معروف على { $system }
device-name-unknown = جهاز غير معروف
device-client-an-android-app = تطبيق أندرويد
device-client-an-apple-app = تطبيق آبل
device-client-a-flutter-app = تطبيق فلاتر
device-online = نشط الآن
device-seen = آخر ظهور { $time }
device-since = تسجيل الدخول { $time }
device-current = هذا الجهاز
device-sign-out = تسجيل الخروج
devices-sign-out-others = تسجيل خروج الأجهزة الأخرى
connections-title = الاتصالات
connections-lead = الاتصالات المباشرة المفتوحة الآن على أجهزتك.
connections-none = لا يوجد أي تطبيق متصل بعد
connections-none-lead = افتح تطبيقًا تسجل الدخول إليه هنا ليظهر اتصاله.
connections-none-terminal = أو جرّب ذلك من طرفية على هذا الحاسوب:
connection-opened = فُتح { $time }
connection-current = هذه الصفحة
delete-title = حذف الحساب
delete-lead = يحذف حسابك وكل ما يخصه.
delete-row = لا يمكن التراجع عن هذا
delete-meta = سنطلب كلمة المرور أولًا.
delete-open = حذف الحساب…
delete-point-data = يُحذف ملفك وكل ما يخص حسابك.
delete-point-devices = يُسجَّل خروج كل الأجهزة وتُغلق اتصالاتها فورًا.
delete-point-apps = لن تتعرف عليك التطبيقات بعد ذلك.
delete-button = حذف حسابي نهائيًا
secret-title = رسالة سرية
secret-lead = عرض توضيحي: تصل عبر اتصالك المباشر، ولا يراها غيرك.
secret-code = الرمز:
secret-button = عرض الرسالة السرية
ended-title = تم تسجيل خروجك
ended-button = سجّل الدخول من جديد

list-show-all = عرض الكل ({ $total })
pager-devices = صفحات الأجهزة
pager-connections = صفحات الاتصالات المباشرة
pager-range = { $first } إلى { $last } من { $total }
pager-previous = السابق
pager-next = التالي

notice-signed-out = تم تسجيل خروجك.
notice-password-reset = عُيّنت كلمة المرور الجديدة، وسُجّل خروجك من كل الأجهزة. سجّل الدخول بها.
notice-email-restored = استُعيد بريدك، وعُيّنت كلمة المرور الجديدة، وسُجّل خروجك من كل الأجهزة.
notice-email-verified = تم تأكيد بريدك.
notice-account-deleted = حُذف حسابك.
notice-device-signed-out = سُجّل خروج الجهاز، وأُغلقت اتصالاته.
notice-others-signed-out = سُجّل خروجك من الأجهزة الأخرى.
notice-profile-saved = حُفظ ملفك الشخصي.
notice-password-changed = تغيرت كلمة المرور، وسُجّل خروجك من الأجهزة الأخرى.
notice-link-sent = تحقق من بريدك: افتح الرابط المرسل إلى عنوانك الجديد لتأكيده.
notice-link-sent-again = أعدنا إرسال الرابط، ما لم تطلب عدة روابط من قبل. تحقق من مجلد الرسائل غير المرغوب فيها أيضًا.
notice-email-change-canceled = يبقى بريدك كما هو. لم يعد الرابط المرسل يعمل.
notice-registered = حسابك جاهز. سجّل الدخول للمتابعة.
notice-device-disowned = سُجّل خروج الجهاز. عيّن الآن كلمة مرور جديدة، فهناك من يعرف القديمة.
notice-device-disowned-only = سُجّل خروج الجهاز. تغيّر بريد حسابك منذ ذلك الحين، وفي رسالتنا الأولى عن ذلك رابط لاستعادة حسابك.

dev-mail-title = صندوق بريد التطوير
dev-mail-lead = لم يُضبط خادم بريد، لذلك تُحفظ الرسائل على هذا الحاسوب ولا يراها غيره، الأحدث أولًا.
dev-mail-refresh = تحديث
dev-mail-to = إلى { $address }
dev-mail-no-subject = (بلا موضوع)
dev-mail-no-recipient = (بلا مستلم)
dev-mail-text = نص
dev-mail-html = HTML
dev-mail-html-title = { $subject } بصيغة HTML
dev-mail-source = عرض المصدر
dev-mail-none = لا رسائل بعد
dev-mail-none-hint = <register>أنشئ حسابًا</register> ببريد إلكتروني، أو <forgot>أعد تعيين كلمة مرور</forgot>.

js-wrong-address = فتحت هذه الصفحة على { $origin } حيث لا يمكنك البقاء مسجل الدخول. افتح { $link } بدلًا من ذلك.
js-show-field = إظهار { $field }
js-away = يتعذر الوصول إلى الخادم الآن. ما كتبته ما زال هنا: حاول بعد لحظة.
js-offline = أنت غير متصل. قد لا تكون هذه الصفحة محدّثة.
js-strength-strong = كلمة مرور قوية.
js-strength-good = كلمة مرور جيدة.
dashboard-js-idle = غير متصل
dashboard-js-connecting = جارٍ الاتصال
dashboard-js-open = متصل
dashboard-js-waiting = إعادة الاتصال
dashboard-js-ended = تم تسجيل الخروج
dashboard-js-just-now = الآن
dashboard-js-secret-failed = تعذر تحميل الرسالة. حاول من جديد.
dashboard-js-ended-4401 = انتهت جلستك.
dashboard-js-ended-4441 = سجّلت الخروج هنا أو على جهاز آخر.
dashboard-js-ended-4442 = تغيرت كلمة المرور على جهاز آخر.
dashboard-js-ended-4443 = أُغلق حسابك.
dashboard-js-ended-other = أُغلق الاتصال: { $reason } ({ $code }).
dashboard-js-elsewhere = لا اتصال مباشر: فتحت هذه الصفحة على { $origin }، وعنوان الخادم هو { $link } (public_url). افتحها هناك، أو أضف هذا العنوان إلى sockets.allowed_origins.

error-invalid-login-missing = أدخل اسم المستخدم أو البريد الإلكتروني.
error-invalid-username-missing = أدخل اسم مستخدم.
error-invalid-username-too-long = استخدم { $max } حرفًا على الأكثر في اسم المستخدم.
error-invalid-username-start = ابدأ اسم المستخدم بحرف أو رقم.
error-invalid-username-characters = استخدم الحروف والأرقام و . _ - فقط في اسم المستخدم.
error-username-taken = اسم المستخدم هذا محجوز. جرّب اسمًا آخر.
error-username-taken-similar = اسم المستخدم هذا يشبه اسمًا محجوزًا كثيرًا. جرّب اسمًا آخر.
error-username-reserved = اسم المستخدم هذا غير متاح. جرّب اسمًا آخر.
error-invalid-email-malformed = أدخل بريدًا إلكترونيًا مثل name@example.org.
error-invalid-email-required = أدخل بريدك الإلكتروني. تحتاج إليه لإنشاء حساب هنا.
error-invalid-email-domain = تحتاج الحسابات هنا إلى بريد في أحد هذه النطاقات: { $domains }.
error-invalid-email-invited = أُرسلت هذه الدعوة إلى بريد آخر. استخدم ذلك البريد.
error-email-held = هذا البريد يخص حسابًا آخر.
error-invalid-password-too-short = { $min ->
    [few] استخدم { $min } أحرف على الأقل في كلمة المرور.
   *[other] استخدم { $min } حرفًا على الأقل في كلمة المرور.
}
error-invalid-password-too-long = استخدم { $max } حرفًا على الأكثر في كلمة المرور.
error-invalid-current-password-missing = أدخل كلمة المرور الحالية.
error-wrong-password = كلمة المرور هذه غير صحيحة.
error-invalid-display-name-too-long = استخدم { $max } حرفًا على الأكثر في الاسم المعروض.
error-invalid-display-name-empty = أدخل اسمًا معروضًا.
error-invalid-display-name-controls = في الاسم المعروض أحرف تغيّر اتجاه النص. احذفها.
error-invalid-display-name-invisible = في الاسم المعروض أحرف غير مرئية. احذفها.
error-invalid-display-name-characters = استخدم الحروف والأرقام والمسافات وعلامات الترقيم والرموز فقط في الاسم المعروض.
error-invalid-display-name-marks = في الاسم المعروض علامات كثيرة على حرف واحد.
error-invalid-language = اختر إحدى اللغات في القائمة.
error-choose-account = عدة حسابات تستخدم هذا البريد. أدخل اسم المستخدم.

error-invalid-credentials = اسم المستخدم أو البريد أو كلمة المرور غير صحيح. يمكنك استخدام بريدك بعد تأكيده.
error-too-many-attempts = كلمات مرور خاطئة كثيرة. حاول من جديد بعد { $wait }، أو أعد تعيين كلمة المرور.
error-email-not-verified = أكّد بريدك أولًا: افتح الرابط الذي أرسلناه إليك. إن لم يصل، فسجّل الدخول من جديد بعد دقيقة وسنرسل رابطًا آخر.
error-registration-closed = لا يقبل هذا الموقع حسابات جديدة.
error-invitation-required = تحتاج إلى دعوة لإنشاء حساب.
error-too-many-requests = طلبات كثيرة من شبكتك. حاول من جديد بعد { $wait }.
error-overloaded = نحن مشغولون الآن. حاول من جديد بعد لحظة.
error-draining = نعيد التشغيل الآن. حاول من جديد بعد لحظة.

error-internal = حدث خطأ من جهتنا. حاول من جديد بعد لحظة.
error-not-found = هذه الصفحة غير موجودة. تحقق من العنوان أو ابدأ من جديد.
error-invalid-link = استُخدم هذا الرابط أو انتهت صلاحيته أو أنه ناقص.
error-invalid-invitation = استُخدمت هذه الدعوة أو سُحبت أو انتهت صلاحيتها.
error-https-required = فتحت هذه الصفحة على { $origin } حيث لا يمكنك البقاء مسجل الدخول، فلم يُنفَّذ شيء.
error-cross-site = جاء هذا الطلب من صفحة موقع آخر. افتح { $home } وحاول من جديد.
error-cross-site-other-origin = جاء هذا الطلب من صفحة فُتحت على { $origin }، وعنوان الخادم هو { $home } (public_url). افتح { $home } وحاول من جديد.
error-method-not-allowed = لا يمكن فتح هذا العنوان هكذا.
error-not-signed-in = لست مسجل الدخول.
error-body-timeout = كان اتصالك بطيئًا جدًا. حاول من جديد.
error-too-large = هذا أكثر مما يمكننا قبوله.
error-other = لم نتمكن من ذلك. ارجع وحاول من جديد.

error-title-invalid-link = لم يعد هذا الرابط يعمل
error-title-invalid-invitation = لم تعد هذه الدعوة تعمل
error-title-not-found = الصفحة غير موجودة
error-title-https-required = افتح هذه الصفحة عبر https
error-title-forbidden = رُفض الطلب
error-title-too-many-requests = طلبات كثيرة
error-title-unavailable = سنعود بعد قليل
error-title-internal = حدث خطأ ما
error-title-other = لم ينجح ذلك

error-open-elsewhere = افتح { $url }
error-new-link = إرسال رابط جديد
error-maybe-confirmed = ربما تم تأكيد بريدك بالفعل. سجّل الدخول للتحقق أو للحصول على رابط جديد.
error-status = الخطأ { $status }
error-home = اذهب إلى صفحة البداية
error-request-id = إن أبلغت عن هذا، فاذكر رقم الطلب { $id }.

rating-weak = كلمة المرور هذه سهلة التخمين.
rating-too-short = { $min ->
    [few] استخدم { $min } أحرف على الأقل.
   *[other] استخدم { $min } حرفًا على الأقل.
}
rating-too-long = استخدم { $max } حرفًا على الأكثر.
rating-contains-name = في كلمة المرور هذه اسمك أو بريدك أو اسم هذا الموقع.
rating-straight-rows = صفوف المفاتيح سهلة التخمين.
rating-keyboard-pattern = أنماط لوحة المفاتيح القصيرة سهلة التخمين.
rating-repeats = التكرار مثل “aaa” سهل التخمين.
rating-repeated-blocks = التكرار مثل “abcabcabc” ليس أصعب كثيرًا من “abc”.
rating-top-ten = هذه إحدى أكثر عشر كلمات مرور استخدامًا.
rating-top-hundred = هذه إحدى أكثر مئة كلمة مرور استخدامًا.
rating-common = كلمة المرور هذه شائعة جدًا.
rating-similar-to-common = كلمة المرور هذه تشبه كلمة شائعة كثيرًا.
rating-sequences = التسلسل مثل “abc” أو “6543” سهل التخمين.
rating-recent-years = السنوات القريبة سهلة التخمين.
rating-single-word = الكلمة الواحدة سهلة التخمين.
rating-dates = التواريخ سهلة التخمين.
rating-single-name = الاسم وحده سهل التخمين.
rating-common-names = الأسماء الشائعة سهلة التخمين.

rating-suggest-unrelated = استخدم كلمات لا علاقة لها بك.
rating-suggest-few-words = استخدم بضع كلمات لا رابط بينها.
rating-suggest-no-symbols = لا تحتاج إلى رموز أو أرقام أو حروف كبيرة.
rating-suggest-another-word = أضف كلمة أو كلمتين، وكلما كانت أقل شيوعًا كان أفضل.
rating-suggest-capitals = الحروف الكبيرة لا تفيد كثيرًا.
rating-suggest-all-capitals = الحروف الكبيرة كلها سهلة التخمين كأن لم تكن.
rating-suggest-reversed = الكلمات المعكوسة ليست أصعب كثيرًا.
rating-suggest-substitutions = الاستبدال مثل “@” بدل “a” لا يفيد كثيرًا.
rating-suggest-longer-pattern = استخدم نمطًا أطول على لوحة المفاتيح بانعطافات أكثر.
rating-suggest-no-repeats = تجنب تكرار الكلمات والأحرف.
rating-suggest-no-sequences = تجنب التسلسل.
rating-suggest-no-recent-years = تجنب السنوات القريبة.
rating-suggest-no-own-years = تجنب السنوات التي تعني لك شيئًا.
rating-suggest-no-own-dates = تجنب التواريخ والسنوات التي تعني لك شيئًا.

wait-seconds = { $count ->
    [one] ثانية
    [two] ثانيتين
    [few] { $count } ثوانٍ
   *[other] { $count } ثانية
}
wait-minutes = { $count ->
    [one] دقيقة
    [two] دقيقتين
    [few] { $count } دقائق
   *[other] { $count } دقيقة
}

email-hello = مرحبًا،
email-hello-name = مرحبًا { $username }،
email-privacy = الخصوصية
email-support = المساعدة
email-button-fails = إذا لم يعمل الزر، فافتح هذا الرابط:
email-once = يعمل الرابط مرة واحدة، حتى { $expires }.
verify-email-subject = أكّد بريدك الإلكتروني في { $site }
verify-email-intro = يرجى تأكيد أن هذا بريدك. قبل ذلك لا يمكن استخدامه لتسجيل الدخول إلى { $site } أو لإعادة تعيين كلمة المرور.
verify-email-button = تأكيد البريد
verify-email-ignore = لم تُدخل هذا البريد في { $site }؟ تجاهل هذه الرسالة ولن يحدث شيء.
email-footer = وصلتك هذه الرسالة بسبب حساب في { $home }. أُرسلت تلقائيًا، فلا ترد عليها.
email-footer-name = وصلتك هذه الرسالة بسبب حسابك { $username } في { $home }. أُرسلت تلقائيًا، فلا ترد عليها.
email-footer-invitation = وصلتك هذه الرسالة لأن شخصًا دعاك إلى { $home }. أُرسلت تلقائيًا، فلا ترد عليها.
reset-password-subject = إعادة تعيين كلمة مرورك في { $site }
reset-password-intro = طلبت إعادة تعيين كلمة مرور حسابك { $username }.
reset-password-intro-unnamed = طلبت إعادة تعيين كلمة مرور حسابك.
reset-password-button = تعيين كلمة مرور جديدة
reset-password-effect = تعيين كلمة مرور جديدة يسجّل خروجك من كل الأجهزة.
reset-password-ignore = لم تكن أنت؟ تجاهل هذه الرسالة وتبقى كلمة مرورك كما هي. لا تشارك الرابط أبدًا، فمن لديه الرابط يمكنه الاستيلاء على حسابك.
reset-by-address-subject = إعادة تعيين كلمة مرورك في { $site }
reset-by-address-intro = طلب شخص ما، ونرجو أنه أنت، إعادة تعيين كلمة مرور حساب في { $site } يستخدم هذا البريد.
reset-by-address-button = تعيين كلمة مرور جديدة
reset-by-address-effect = فتح الرابط يؤكد أيضًا أن البريد لك. وإن كانت عدة حسابات تستخدمه، فسنسألك عن اسم المستخدم.
reset-by-address-ignore = لم تكن أنت؟ تجاهل هذه الرسالة ولن يتغير شيء. لا تشارك الرابط أبدًا، فمن لديه الرابط يمكنه الاستيلاء على الحساب.
password-changed-subject = تغيرت كلمة مرورك في { $site }
password-changed-intro = تغيرت كلمة مرور حسابك { $username } في { $at }. سُجّل خروجك من الأجهزة الأخرى.
password-changed-intro-unnamed = تغيرت كلمة مرور حسابك في { $at }. سُجّل خروجك من الأجهزة الأخرى.
password-changed-fine = هل كنت أنت؟ إذن لا شيء عليك فعله.
password-changed-wrong = <strong>إن لم تكن أنت</strong>، فهناك من يستطيع الدخول إلى حسابك. عيّن كلمة مرور جديدة فورًا. يسجّل ذلك خروج كل الأجهزة.
password-changed-button = تعيين كلمة مرور جديدة
email-changed-subject = تغيّر بريدك الإلكتروني في { $site }
email-changed-intro = تغيّر بريد حسابك { $username } في { $at }. لن تصل رسائل حسابك إلى هذا العنوان بعد الآن.
email-changed-intro-unnamed = تغيّر بريد حسابك في { $at }. لن تصل رسائل حسابك إلى هذا العنوان بعد الآن.
email-changed-fine = هل كنت أنت؟ إذن لا شيء عليك فعله.
email-changed-wrong = <strong>إن لم تكن أنت</strong>، فهناك من يعرف كلمة مرورك. سجّل الدخول، وغيّر كلمة المرور، وأعد تعيين بريدك. وإن لم تتمكن من تسجيل الدخول، فاستخدم الرابط في رسالتنا الأولى عن تغيير البريد، أو اطلب المساعدة من القائمين على { $site }.
email-changed-button = تسجيل الدخول
email-changed-undo-wrong = <strong>إن لم تكن أنت</strong>، فهناك من يستطيع الدخول إلى حسابك.
email-changed-undo-button = استعادة حسابي
email-changed-undo-effect = يعيد هذا العنوان بريدًا لحسابك، ويتيح لك تعيين كلمة مرور جديدة، ويسجّل خروج كل الأجهزة. لا تشاركه أبدًا.
invitation-subject = أنت مدعو إلى { $site }
invitation-intro = أنت مدعو لإنشاء حساب في { $site }. اختر اسم مستخدم وكلمة مرور لتبدأ.
invitation-button = إنشاء حساب
invitation-ignore = لا تريد حسابًا؟ تجاهل هذه الرسالة.
new-device-subject = تسجيل دخول جديد إلى حسابك في { $site }
new-device-intro = سجّل شخص ما، ونرجو أنه أنت، الدخول إلى حسابك { $username } من جهاز لا نعرفه:
new-device-intro-unnamed = سجّل شخص ما، ونرجو أنه أنت، الدخول إلى حسابك من جهاز لا نعرفه:
new-device-what = { $device }، من العنوان { $address }، في { $at }.
new-device-somewhere = غير معروف
new-device-fine = هل كنت أنت؟ إذن لا شيء عليك فعله.
new-device-wrong = <strong>إن لم تكن أنت</strong>، فهناك من يعرف كلمة مرورك.
new-device-button = لم أكن أنا
new-device-effect = يسجّل خروج ذلك الجهاز وكل جهاز سجّل الدخول بعده، ويتيح لك تعيين كلمة مرور جديدة. لا تشاركه أبدًا.

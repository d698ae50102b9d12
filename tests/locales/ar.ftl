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
home-developers = للمطورين
home-developers-lead = أنشئ حسابًا من الطرفية:

login-title = تسجيل الدخول
login-forgot = هل نسيت كلمة المرور؟
login-button = تسجيل الدخول
login-register = جديد هنا؟ <link>أنشئ حسابًا</link>

register-title = أنشئ حسابك
register-button = إنشاء حساب
register-login = لديك حساب بالفعل؟ <link>سجّل الدخول</link>
register-invited-email = بريدك الإلكتروني هو { $email }، وإليه أُرسلت دعوتك.
register-closed = لا يقبل هذا الموقع حسابات جديدة.
register-invited-only = تحتاج إلى دعوة لإنشاء حساب. افتح الرابط الذي أُرسل إليك.

forgot-title = هل نسيت كلمة المرور؟
forgot-lead = أدخل اسم المستخدم أو البريد الإلكتروني، وسنرسل إليك رابطًا لتعيين كلمة مرور جديدة.
forgot-button = إرسال الرابط
forgot-login = <link>العودة إلى تسجيل الدخول</link>
forgot-sent-title = تحقق من بريدك
forgot-sent-dev-mail = لم يُضبط خادم بريد. ستجد الرسالة في <link>صندوق بريد التطوير</link>.
forgot-sent-again = لم يصل شيء؟ <link>أرسل رابطًا آخر</link>

reset-title = عيّن كلمة مرور جديدة
reset-lead = لحسابك { $username }. سيُسجَّل خروجك من كل الأجهزة.
reset-button = تعيين كلمة المرور
reset-choose = عدة حسابات تستخدم هذا البريد، ولم يؤكده أي منها. أيها حسابك؟
restore-title = استعد حسابك
restore-lead = سيصبح { $email } بريد حسابك من جديد. عيّن كلمة مرور جديدة، فقد يعرف شخص آخر القديمة. سيُسجَّل خروجك من كل الأجهزة.

verify-title = أكّد بريدك الإلكتروني
verify-lead = أكّد أن { $email } هو بريد حسابك { $username }.
verify-button = تأكيد البريد
verify-aside = لم تطلب هذا؟ أغلق الصفحة ولن يتغير شيء.

continue-title = المتابعة إلى { $app }
continue-lead = يريد { $app } تسجيل دخولك باسم { $username }.
continue-button = المتابعة باسم { $username }
continue-other = <link>استخدم حسابًا آخر</link>
continue-dashboard = <link>اذهب إلى حسابك</link>
continue-aside = لم تأتِ من هذا التطبيق؟ أغلق الصفحة ولن يحدث شيء.

logout-title = تسجيل الخروج
logout-heading = هل تريد تسجيل الخروج؟
logout-lead = أنت مسجل الدخول باسم { $username }. ستُغلق الاتصالات المباشرة لهذا المتصفح.
logout-onward = ثم ستعود إلى { $app }.
logout-button = تسجيل الخروج
logout-back = <link>العودة إلى حسابك</link>

dashboard-title = حسابك
dashboard-heading = مرحبًا، { $name }
dashboard-signed-in = مسجل الدخول باسم { $username }
dashboard-not-confirmed = غير مؤكد
dashboard-no-script = تعرض هذه الصفحة الحالة عند فتحها. فعّل جافاسكربت لترى التغييرات فورًا.
dashboard-sign-out = تسجيل الخروج
live-reconnect = أعد الاتصال الآن
secret-title = رسالة سرية
secret-lead = تصل عبر اتصالك المباشر، ولا يراها غيرك.
secret-code = الرمز:
secret-button = عرض الرسالة السرية
connections-title = الاتصالات المباشرة
connections-none = لا اتصالات مباشرة الآن.
connection-opened = فُتح { $time }
connection-current = هذه الصفحة
devices-title = الأجهزة
devices-lead = هنا أنت مسجل الدخول. تسجيل خروج جهاز يغلق اتصالاته فورًا.
device-seen = آخر ظهور { $time }
device-since = تسجيل الدخول { $time }
device-current = هذا الجهاز
device-sign-out = تسجيل الخروج
devices-sign-out-others = تسجيل الخروج من الأجهزة الأخرى
account-title = الحساب
profile-title = الملف الشخصي
profile-button = حفظ التغييرات
password-title = غيّر كلمة المرور
password-note = سيُسجَّل خروجك من الأجهزة الأخرى.
password-button = تغيير كلمة المرور
email-title-change = غيّر بريدك الإلكتروني
email-title-add = أضف بريدًا إلكترونيًا
email-note = سنرسل رابطًا إلى العنوان الجديد. يسري التغيير عندما تفتحه.
email-button = إرسال رابط التأكيد
delete-title = احذف حسابك
delete-lead = يُحذف حسابك وكل بياناته نهائيًا، ويُسجَّل خروجك من كل الأجهزة.
delete-button = حذف حسابي
ended-title = تم تسجيل خروجك
ended-button = سجّل الدخول من جديد

pager-devices = صفحات الأجهزة
pager-connections = صفحات الاتصالات المباشرة
pager-range = { $first } إلى { $last } من { $total }
pager-previous = السابق
pager-next = التالي

notice-signed-out = تم تسجيل خروجك.
notice-password-reset = عُيّنت كلمة المرور الجديدة، وسُجّل خروجك من كل الأجهزة. سجّل الدخول بها.
notice-email-restored = استُعيد بريدك، وعُيّنت كلمة المرور الجديدة، وسُجّل خروجك من كل الأجهزة.
notice-email-verified = تم تأكيد بريدك.
notice-reset-requested = إذا كنا نعرف هذا الحساب وبريده، فالرابط في الطريق. يعمل لمدة ساعة.
notice-account-deleted = حُذف حسابك.
notice-device-signed-out = سُجّل خروج الجهاز، وأُغلقت اتصالاته.
notice-others-signed-out = سُجّل خروجك من الأجهزة الأخرى.
notice-profile-saved = حُفظ ملفك الشخصي.
notice-password-changed = تغيرت كلمة المرور، وسُجّل خروجك من الأجهزة الأخرى.
notice-link-sent = تحقق من بريدك: افتح الرابط المرسل إلى عنوانك الجديد لتأكيده.
notice-confirm-address = تحقق من بريدك: افتح الرابط الذي أرسلناه، ثم سجّل الدخول.
notice-registered = حسابك جاهز. سجّل الدخول للمتابعة.

dev-mail-title = صندوق بريد التطوير
dev-mail-lead = لم يُضبط خادم بريد، لذلك تُحفظ الرسائل على هذا الحاسوب ولا يراها غيره، الأحدث أولًا. <link>تحديث</link>
dev-mail-to = إلى { $address }
dev-mail-no-subject = (بلا موضوع)
dev-mail-no-recipient = (بلا مستلم)
dev-mail-text = نص
dev-mail-html = HTML
dev-mail-html-title = { $subject } بصيغة HTML
dev-mail-source = عرض المصدر
dev-mail-none = لا رسائل بعد. <register>أنشئ حسابًا</register> ببريد إلكتروني، أو <forgot>أعد تعيين كلمة مرور</forgot>.

js-wrong-address = فتحت هذه الصفحة على { $origin } حيث لا يمكنك البقاء مسجل الدخول. افتح { $link } بدلًا من ذلك.
js-show = إظهار
js-hide = إخفاء
js-show-field = إظهار { $field }
js-hide-field = إخفاء { $field }
js-strength-strong = كلمة مرور قوية.
js-strength-good = كلمة مرور جيدة.
dashboard-js-idle = غير متصل
dashboard-js-connecting = جارٍ الاتصال
dashboard-js-open = متصل
dashboard-js-waiting = إعادة الاتصال
dashboard-js-ended = تم تسجيل الخروج
dashboard-js-just-now = الآن
dashboard-js-a-device = جهاز غير معروف
dashboard-js-secret-failed = تعذر تحميل الرسالة. حاول من جديد.
dashboard-js-ended-4401 = انتهت جلستك.
dashboard-js-ended-4441 = سجّلت الخروج هنا أو على جهاز آخر.
dashboard-js-ended-4442 = تغيرت كلمة المرور على جهاز آخر.
dashboard-js-ended-4443 = أُغلق حسابك.
dashboard-js-ended-other = أُغلق الاتصال: { $reason } ({ $code }).
dashboard-js-elsewhere = لا اتصال مباشر: فتحت هذه الصفحة على { $origin }، وعنوان الخادم هو { $link } (public_url). افتحها هناك، أو أضف هذا العنوان إلى sockets.allowed_origins.

error-invalid-username-missing = أدخل اسم مستخدم.
error-invalid-credentials = اسم المستخدم أو البريد أو كلمة المرور غير صحيح.
error-not-found = هذه الصفحة غير موجودة. تحقق من العنوان أو ابدأ من جديد.
error-title-not-found = الصفحة غير موجودة
error-home = اذهب إلى صفحة البداية

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
email-button-fails = إذا لم يعمل الزر، فافتح هذا الرابط:
email-once = يعمل الرابط مرة واحدة، حتى { $expires }.
verify-email-subject = أكّد بريدك الإلكتروني في { $site }
verify-email-intro = يرجى تأكيد أن هذا بريدك. قبل ذلك لا يمكن استخدامه لتسجيل الدخول إلى { $site } أو لإعادة تعيين كلمة المرور.
verify-email-button = تأكيد البريد
verify-email-ignore = لم تُدخل هذا البريد في { $site }؟ تجاهل هذه الرسالة ولن يحدث شيء.

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
security-title = الأمان
security-lead = كلمة المرور، وتسجيل الخروج من كل مكان.
password-title = كلمة المرور
password-lead = اختر كلمة لا تستخدمها في مكان آخر.
password-note = سيُسجَّل خروجك من الأجهزة الأخرى.
password-button = تغيير كلمة المرور
everywhere-title = كل الأجهزة
everywhere-lead = تسجيل الخروج من كل جهاز، بما فيها هذا.
everywhere-button = تسجيل الخروج من كل مكان
devices-title = الأجهزة
devices-lead = هنا أنت مسجل الدخول. تسجيل خروج جهاز يغلق اتصالاته فورًا.
device-online = نشط الآن
device-seen = آخر ظهور { $time }
device-since = تسجيل الدخول { $time }
device-current = هذا الجهاز
device-sign-out = تسجيل الخروج
devices-sign-out-others = تسجيل خروج الأجهزة الأخرى
connections-title = الاتصالات
connections-lead = الاتصالات المباشرة المفتوحة الآن على أجهزتك.
connections-none = لا يوجد اتصال
connections-none-lead = افتح تطبيقًا تسجل الدخول إليه هنا ليظهر اتصاله.
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
password-changed-subject = تغيرت كلمة مرورك في { $site }
password-changed-intro = تغيرت كلمة مرور حسابك { $username } في { $at }. سُجّل خروجك من الأجهزة الأخرى.
password-changed-intro-unnamed = تغيرت كلمة مرور حسابك في { $at }. سُجّل خروجك من الأجهزة الأخرى.
password-changed-fine = هل كنت أنت؟ إذن لا شيء عليك فعله.
password-changed-wrong = <strong>إن لم تكن أنت</strong>، فهناك من يستطيع الدخول إلى حسابك. عيّن كلمة مرور جديدة فورًا. يسجّل ذلك خروج كل الأجهزة.
password-changed-button = تعيين كلمة مرور جديدة
invitation-subject = أنت مدعو إلى { $site }
invitation-intro = أنت مدعو لإنشاء حساب في { $site }. اختر اسم مستخدم وكلمة مرور لتبدأ.
invitation-button = إنشاء حساب
invitation-ignore = لا تريد حسابًا؟ تجاهل هذه الرسالة.

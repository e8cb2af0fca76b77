// Package activities holds the kinds of action that authors use, one file each. The file's name is the
// kind's id; this file is the table of contents.
package activities

import "github.com/millrace/millrace/internal/action"

// Kinds returns every kind of action, in the order in which the reference shows them.
func Kinds() []action.Kind {
	return []action.Kind{
		delaySetAmount,
		delayUntilCalendarDate,
		delayUntilDateProperty,
		delayUntilOffset,
		delayUntilTimeOfDay,
		delayUntilDayOfWeek,
		delayUntilDayOrTime,
		delayUntilEvent,

		branchValueEquals,
		branchAndOr,
		branchRandomSplit,
		enrollInWorkflow,

		sendEmail,
		sendInternalEmailNotification,

		editRecord,
		adjustNumberProperty,
		createRecord,
		deleteContact,
		createTask,
		createNote,
		manageCommunicationSubscription,
		rotateRecordToOwner,
		assignConversationOwner,
		createAssociation,
		applyAssociationLabel,
		updateAssociationLabel,
		removeAssociationLabel,

		addToStaticList,
		removeFromStaticList,
		setMarketingContactStatus,
		addToAdsAudience,
		removeFromAdsAudience,

		formatData,
		runCustomCode,
		sendWebhook,

		enrichRecord,
		askAi,
		generateSalesProfile,
		openaiAsk,
		openaiAskAssistant,
		anthropicAsk,
		extensionAction,
	}
}

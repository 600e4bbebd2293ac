using Tessera.Data;
using Tessera.Nn;

namespace Tessera.Training.Objectives.SelfSupervision;

/// <summary>
/// A linear classifier that learns along on the features of a method without labels, and tells how good they are. No gradient of it
/// reaches the features, and it draws no random numbers: the method trains the same weights with it as without.
/// </summary>
public sealed partial class OnlineProbe : Module
{
    private readonly Linear linear;

    /// <summary>A classifier that begins with zeros.</summary>
    /// <param name="width">Channels of a feature D, at least 1.</param>
    /// <param name="classes">At least 2.</param>
    public OnlineProbe(int width, int classes)
    {
        var before = RandomState.Of(Device.Cpu);
        linear = new Linear(width, classes);
        before.Restore();
        Init.Zeros(linear.Weight);
        Init.Zeros(linear.Bias!);
    }

    /// <summary>Logits, [B, classes].</summary>
    /// <param name="features">[B, D].</param>
    public Tensor Logits(Tensor features) => linear.Call(features.Detach());

    /// <summary>Cross entropy on a batch, and how often it is right.</summary>
    /// <param name="features">[B, D].</param>
    /// <param name="batch">With one class per sample.</param>
    internal (Tensor Loss, Score Score) Learn(Tensor features, Batch batch)
    {
        var labels = ClassTargets.Of(batch).Labels;
        var logits = Logits(features);
        var right = batch.IsPlaceholder ? default : new Score(logits.Detach().Argmax(1).Eq(labels).Sum().ToInt64(), labels.Size(0));
        return (logits.CrossEntropyLoss(labels), right);
    }
}

using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// How good frozen features are: a linear classifier learns on top of them, behind a batch norm without scale and shift (He et al.,
/// 2021, arXiv:2111.06377, section 4.1 and appendix A.1). Norm and classifier together are a linear map, which becomes the
/// student's own classifier after every step: the trained model is one like any other.
/// </summary>
public sealed partial class LinearProbe : BackboneObjective
{
    private const double Eps = 1e-6,
        Deviation = 0.01;
    private readonly BatchNorm norm;
    private readonly Linear head;
    private readonly double smoothing;

    [NotRegistered]
    private readonly Parameter weight;

    [NotRegistered]
    private readonly Parameter bias;

    /// <summary>The method for a student, which is frozen here.</summary>
    /// <exception cref="ArgumentException">Its classifier is no single linear map.</exception>
    public LinearProbe(Backbone student, double smoothing = 0)
        : base(student)
    {
        this.smoothing = smoothing;
        var parameters = student.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter);
        (weight, bias) =
            student.ClassifierNames is [var first, var second]
            && parameters.TryGetValue(first, out var w)
            && parameters.TryGetValue(second, out var b)
            && w.Shape == new Shape(student.Classes, student.NumFeatures)
            && b.Shape == new Shape(student.Classes)
                ? (w, b)
                : throw new ArgumentException(
                    $"a linear probe needs a classifier that is one linear map, which {student.GetType().Name} does not have"
                );
        student.RequireGrad(false);
        norm = new BatchNorm(student.NumFeatures, Eps, affine: false);
        head = new Linear(student.NumFeatures, student.Classes);
        Init.TruncatedNormal(head.Weight, Deviation);
        Init.Zeros(head.Bias!);
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        // Its features are those of prediction, whatever statistics or dropout it has.
        if (Student.Training)
            Student.Eval();
        Tensor features;
        using (Torch.NoGrad())
            features = Student.ForwardHead(Student.ForwardFeatures(batch.Inputs), preLogits: true);
        var logits = head.Call(norm.Call(features));
        return new(Supervised.Base(logits, batch, smoothing)) { Scores = Accuracy(logits, batch) };
    }

    /// <inheritdoc/>
    public override void AfterStep(Progress progress)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var scale = (norm.RunningVar! + Eps).Rsqrt();
        var scaled = head.Weight * scale;
        weight.Copy_(scaled);
        bias.Copy_(head.Bias! - scaled.Matmul((Tensor)norm.RunningMean!));
    }
}

/// <summary>A linear classifier on frozen features.</summary>
/// <param name="Smoothing">Label smoothing, from 0 (the default) to 0.999.</param>
[RecipeName("linear_probe")]
public sealed record LinearProbeOptions([Range(0, 0.999)] double Smoothing = 0) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <inheritdoc/>
    public override IReadOnlyList<Need> Needs =>
        [
            new Need.Views(1),
            new Need.NoAuxiliaryLosses("a linear probe freezes the model, so auxiliary losses must be left out"),
            new Need.NoAverage("a linear probe writes the classifier after each step, so train.ema must be left out"),
        ];

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new LinearProbe(context.Student, Smoothing);
}

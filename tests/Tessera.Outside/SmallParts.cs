using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Data.Imaging;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Optim;
using Tessera.Training;
using Tessera.Training.Objectives;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;

namespace Tessera.Outside;

/// <summary>A transform of a program's own: dark becomes bright.</summary>
[RecipeName("negative")]
public sealed record Negative([Range(0.0, 1)] double Probability = 0.5) : ImageTransform
{
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (!random.Chance(Probability))
            return;
        foreach (ref var value in canvas.Image.Values)
            value = (byte)(255 - value);
    }
}

/// <summary>A schedule of a program's own: half the rate from an epoch on.</summary>
[RecipeName("halving")]
public sealed record HalvingOptions([Range(1, 1000)] int Epochs, [Range(0, 1000)] int From = 1) : ScheduleOptions
{
    public override int TotalEpochs(long stepsPerEpoch) => Epochs;

    public override double LearningRate(double top, long step, long stepsPerEpoch) => step / stepsPerEpoch >= From ? top / 2 : top;
}

/// <summary>An optimiser of a program's own: steps by the sign of the gradient.</summary>
public sealed class SignDescent(IEnumerable<ParameterGroup> groups, double learningRate) : Optimizer(groups, learningRate)
{
    protected override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step) =>
        parameter.Add_(gradient.Sign(), -learningRate);
}

/// <summary>The settings of that optimiser.</summary>
[RecipeName("sign_descent")]
public sealed record SignDescentOptions(double LearningRate = 1e-2, double WeightDecay = 0, int? LearningRateBatch = null)
    : OptimizerOptions(LearningRate, WeightDecay, LearningRateBatch, DecayAll: false, LayerDecay: 1)
{
    protected override Optimizer Create(IEnumerable<ParameterGroup> groups) => new SignDescent(groups, LearningRate);
}

/// <summary>A loss of a program's own beside that of the method: features shall be short.</summary>
public sealed class ShortFeatures(double weight) : AuxiliaryLoss
{
    public override string Name => "short_features";

    public override IReadOnlyList<string> Paths => ["stem"];

    public override Tensor Compute(Backbone student, IReadOnlyList<Tensor> outputs, Batch batch) => outputs[0].Square().Mean();

    public override double WeightAt(Progress progress) => weight;
}

/// <summary>The settings of that loss.</summary>
[RecipeName("short_features")]
public sealed record ShortFeaturesOptions([Range(0.0, 100)] double Weight = 1e-3) : AuxiliaryLossOptions
{
    public override AuxiliaryLoss Create(ObjectiveContext context) => new ShortFeatures(Weight);
}

using Tessera.Data;
using Tessera.Optim;

namespace Tessera.Training.Probes;

/// <summary>A linear classifier on features.</summary>
internal sealed class LinearClassifier
{
    // Apart from the streams of Tessera.Data.
    private const int OrderStream = 9 << 20,
        WeightStream = 10 << 20;

    private const double Momentum = 0.9;

    /// <summary>A classifier that begins with zeros.</summary>
    /// <param name="width">Channels of a feature D.</param>
    /// <param name="classes">How many.</param>
    /// <param name="type">Type of weights and features.</param>
    /// <param name="device">Where it computes.</param>
    internal LinearClassifier(int width, int classes, DType type, Device device)
    {
        Weight = new Parameter(Torch.Zeros([classes, width], type, device: device));
        Bias = new Parameter(Torch.Zeros([classes], type, device: device));
    }

    /// <summary>[classes, D].</summary>
    internal Parameter Weight { get; }

    /// <summary>[classes].</summary>
    internal Parameter Bias { get; }

    /// <summary>The parameters, all with the same decay.</summary>
    /// <param name="decay">Weight decay.</param>
    internal ParameterGroup[] Groups(double decay) => [new([("weight", Weight), ("bias", Bias)], decay)];

    /// <summary>Logits of features [B, D], [B, classes].</summary>
    internal Tensor Logits(Tensor features) => Torch.Linear(features, Weight, Bias);

    /// <summary>A step along the gradient of the mean cross entropy.</summary>
    /// <param name="optimizer">Of <see cref="Groups"/>.</param>
    /// <param name="features">[B, D].</param>
    /// <param name="labels">int64, [B].</param>
    /// <returns>The loss before the step.</returns>
    internal Tensor Step(Optimizer optimizer, Tensor features, Tensor labels)
    {
        using var scope = new Scope();
        optimizer.ZeroGrad();
        var loss = Logits(features).CrossEntropyLoss(labels);
        loss.Backward();
        optimizer.Step();
        return scope.Return(loss.Detach());
    }

    /// <summary>Fits a classifier by a protocol; the same for the same seed, bit for bit.</summary>
    /// <param name="features">[N, D].</param>
    /// <param name="labels">int64, [N].</param>
    /// <param name="classes">How many.</param>
    /// <param name="protocol">How.</param>
    /// <param name="seed">Of the order of samples, and of initial weights.</param>
    /// <param name="stop">Gives up between two epochs.</param>
    internal static LinearClassifier Fit(
        Tensor features,
        Tensor labels,
        int classes,
        LinearProtocol protocol,
        ulong seed,
        CancellationToken stop = default
    )
    {
        var (count, width) = (features.Size(0), (int)features.Size(1));
        var fitted = new LinearClassifier(width, classes, features.DType, features.Device);
        if (protocol.Solver == LinearSolver.Lbfgs)
        {
            LogisticRegression.Fit(fitted, features, labels, protocol.Decay ?? 1.0 / count, protocol.Epochs, stop);
            return fitted;
        }
        if (protocol.InitialDeviation > 0)
            fitted.Draw(protocol.InitialDeviation, seed);
        var groups = fitted.Groups(protocol.Decay ?? 0);
        Optimizer optimizer =
            protocol.Solver == LinearSolver.Adam
                ? new Adam(groups, protocol.LearningRate)
                : new Sgd(groups, protocol.LearningRate, Momentum, protocol.Nesterov);
        var batch = (int)Math.Min(protocol.Batch, count);
        var (perEpoch, order) = (count / batch, new long[count]);
        for (var epoch = 0; epoch < protocol.Epochs; epoch++)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = new Scope();
            for (var i = 0; i < order.Length; i++)
                order[i] = i;
            new SampleRandom(seed, epoch, 0, OrderStream).Shuffle<long>(order);
            var places = Tensor.From(order).To(features.Device);
            for (var step = 0; step < perEpoch; step++)
            {
                using var own = new Scope();
                var rows = places.Slice(0, step * batch, (step + 1) * batch);
                optimizer.LearningRate = protocol.RateAt(epoch * perEpoch + step, perEpoch);
                fitted.Step(optimizer, features.IndexSelect(0, rows), labels.IndexSelect(0, rows));
            }
        }
        return fitted;
    }

    private void Draw(double deviation, ulong seed)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var random = new SampleRandom(seed, 0, 0, WeightStream);
        var values = new float[Weight.Size(0) * Weight.Size(1)];
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(random.Normal() * deviation);
        Weight.Copy_(Tensor.From(values, Weight.Size(0), Weight.Size(1)));
    }
}

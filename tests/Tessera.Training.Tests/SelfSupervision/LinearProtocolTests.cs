using Tessera.Training.Probes;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Linear classifiers on cached features.</summary>
[Collection("engine")]
public sealed class LinearProtocolTests : IDisposable
{
    private const int Classes = 4;
    private readonly Scope scope = new();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Names => [.. LinearProtocol.All.Select(protocol => protocol.Name)];

    private static LinearProtocol Short(string name)
    {
        var protocol = LinearProtocol.All.Single(one => one.Name == name);
        return protocol with { Epochs = protocol.Solver == LinearSolver.Lbfgs ? protocol.Epochs : 40, Batch = 64 };
    }

    private static Tensor Labels(int count) => Tensor.From([.. Enumerable.Range(0, count).Select(i => (long)(i * i % 7 % Classes))]);

    private static double Right(LinearClassifier fitted, Tensor features, Tensor labels) =>
        NearestNeighbors.Predictions(fitted.Logits(features).Detach()).Eq(labels).To(DType.Float64).Mean().ToDouble();

    [Theory]
    [MemberData(nameof(Names))]
    public void Features_that_are_the_classes_are_always_right_and_random_ones_by_chance(string name)
    {
        Torch.Seed(5);
        var (labels, other) = (Labels(300), Labels(300));
        var features = labels.OneHot(Classes).To(DType.Float32);
        Assert.Equal(1, Right(LinearClassifier.Fit(features, labels, Classes, Short(name), 3), features, labels));
        var (noise, more) = (Torch.Randn([300, 6]), Torch.Randn([300, 6]));
        // Of seven remainders of squares the classes get four, two and one sevenths: always the first is the best guess.
        var found = Right(LinearClassifier.Fit(noise, labels, Classes, Short(name), 3), more, other);
        Assert.InRange(found, 0.05, 0.65);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_same_seed_gives_the_same_bits_and_another_seed_another_order(string name)
    {
        Torch.Seed(6);
        var (features, labels) = (Torch.Randn([150, 5]), Labels(150));
        byte[] Weight(ulong seed) =>
            LinearClassifier.Fit(features, labels, Classes, Short(name) with { Epochs = 3 }, seed).Weight.ToBytes();
        var before = Generator.Default(Device.Cpu).GetState().ToArray<byte>();
        var first = Weight(1);
        Assert.Equal(first, Weight(1));
        Assert.Equal(before, Generator.Default(Device.Cpu).GetState().ToArray<byte>());
        if (name == "lbfgs")
            Assert.Equal(first, Weight(2));
        else
            Assert.NotEqual(first, Weight(2));
    }

    [Fact]
    public void Logistic_regression_ends_where_the_gradient_is_zero()
    {
        Torch.Seed(7);
        var (features, labels) = (Torch.Randn([80, 6], DType.Float64) * 3 + 1, Labels(80));
        const double decay = 0.01;
        var fitted = LinearClassifier.Fit(features, labels, Classes, Short("lbfgs") with { Decay = decay }, 0);
        var loss = fitted.Logits(features).CrossEntropyLoss(labels) + ((Tensor)fitted.Weight).Square().Sum() * (decay / 2);
        loss.Backward();
        Assert.InRange(fitted.Weight.Grad!.Abs().Max().ToDouble(), 0, 1e-6);
        Assert.InRange(fitted.Bias.Grad!.Abs().Max().ToDouble(), 0, 1e-6);
    }

    [Fact]
    public void Rates_fall_as_published()
    {
        LinearProtocol Named(string name) => LinearProtocol.All.Single(one => one.Name == name);
        var adam = Named("adam");
        Assert.Equal((1e-2, 5e-6, 500, 1000), (adam.RateAt(0, 10), adam.Decay!.Value, adam.Epochs, adam.Batch));
        Assert.Equal(1e-4, adam.RateAt(2500, 10), 1e-12);
        Assert.Equal(1e-6, adam.RateAt(5000, 10), 1e-12);
        // All steps of an epoch have one rate.
        Assert.Equal(adam.RateAt(20, 10), adam.RateAt(29, 10));
        var moco = Named("moco");
        Assert.Equal([30, 30, 3, 3, 0.3], ((long[])[0, 59, 60, 79, 80]).Select(epoch => Math.Round(moco.RateAt(epoch * 7, 7), 9)));
        var simclr = Named("simclr");
        Assert.Equal(0.2, simclr.RateAt(0, 5), 1e-12);
        Assert.Equal(0.1, simclr.RateAt(250, 5), 1e-12);
        Assert.True(simclr.Nesterov && Named("byol").Nesterov && !moco.Nesterov);
    }

    [Fact]
    public void A_few_samples_of_every_class_are_drawn_by_the_seed_and_a_class_that_has_fewer_is_named()
    {
        long[] labels = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0];
        string[] names = ["cat", "dog", "eel", "fox"];
        var two = FewShotDraws.Of(labels, names, 2, 9, 0);
        Assert.Equal([0, 0, 1, 1, 2, 2], two.Select(place => labels[place]));
        Assert.Equal(6, two.Distinct().Count());
        Assert.Equal(two, FewShotDraws.Of(labels, names, 2, 9, 0));
        Assert.NotEqual(
            string.Join(' ', Enumerable.Range(0, 5).SelectMany(draw => FewShotDraws.Of(labels, names, 2, 9, draw))),
            string.Join(' ', Enumerable.Range(0, 5).SelectMany(draw => FewShotDraws.Of(labels, names, 2, 10, draw)))
        );
        // A smaller draw is part of a larger one.
        Assert.Subset(FewShotDraws.Of(labels, names, 3, 9, 1).ToHashSet(), FewShotDraws.Of(labels, names, 1, 9, 1).ToHashSet());
        Assert.Equal(
            "class dog has 3 training samples, and 4 are to be drawn of each class",
            Assert.Throws<DataException>(() => FewShotDraws.Of(labels, names, 4, 9, 0)).Message
        );
    }
}

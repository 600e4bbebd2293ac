using Tessera.Distributed;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

[Collection("engine")]
public sealed partial class VitGanTests
{
    private static readonly DiffAugmentOptions none = new(0, 0, 0, 0, 0);

    /// <summary>A weighted sum of the pixels.</summary>
    private sealed partial class Flat : Discriminator
    {
        private readonly Parameter weight = new(Torch.Rand([3, 4, 4], DType.Float64));

        internal Parameter Weight => weight;

        protected override Tensor Forward(Tensor input) => (input * weight).Sum((1, 2, 3)).Unsqueeze(1);
    }

    [Fact]
    public void Losses_are_those_of_the_formulas_and_gradients_flow_through_both_sides()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var flat = new Flat();
        var options = new VitGanOptions(new TinyDiscriminatorOptions(), R1: 0.3, R1Every: 4, BcrReal: 2, BcrFake: 5, DiffAugment: none);
        var (real, fake) = (Torch.Rand([3, 3, 4, 4], DType.Float64), Torch.Rand([3, 3, 4, 4], DType.Float64));
        var calls = 0;
        // The second augmentation halves the images.
        var terms = DiscriminatorTerms.Of(flat, options, real, fake, images => calls++ == 0 ? images : images * 0.5, penalized: true);
        Assert.Equal(2, calls);
        double[] Scores(Tensor images) => flat.Call(images).ToArray<double>();
        var (ofReal, ofFake) = (Scores(real), Scores(fake));
        static double Softplus(double x) => Math.Log(1 + Math.Exp(x));
        var adversarial = ofFake.Average(Softplus) + ofReal.Average(score => Softplus(-score));
        // D(x/2) = D(x)/2.
        var consistency = 2 * ofReal.Average(score => score * score / 4) + 5 * ofFake.Average(score => score * score / 4);
        var norm = flat.Weight.Square().Sum().ToDouble();
        Assert.Equal(adversarial, terms.Adversarial.ToDouble(), 1e-10);
        Assert.Equal(consistency, terms.Consistency!.ToDouble(), 1e-10);
        // Every fourth step counts four times.
        Assert.Equal(0.3 / 2 * 4 * norm, terms.R1!.ToDouble(), 1e-10);
        Assert.Equal(adversarial + consistency + 0.6 * norm, terms.Total.ToDouble(), 1e-10);
        // d |w|^2 / dw = 2 w.
        Near.Equal(flat.Weight.Detach() * 1.2, Autograd.Grad([terms.R1], [flat.Weight], retainGraph: true)[0]!, 1e-10);
        // Both sides: of D(x) - D(x)/2 the gradient is half that of D(x).
        var expected = (
            2 * (Tensor.From(ofReal) / 2).Reshape(3, 1, 1, 1) * real + 5 * (Tensor.From(ofFake) / 2).Reshape(3, 1, 1, 1) * fake
        ).Mean(0);
        Near.Equal(expected, Autograd.Grad([terms.Consistency], [flat.Weight])[0]!, 1e-10);
        Assert.Null(DiscriminatorTerms.Of(flat, options, real, fake, images => images, penalized: false).R1);
    }

    [Fact]
    public void R1_is_the_gradient_at_the_images_before_they_are_augmented()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var flat = new Flat();
        var (real, fake) = (Torch.Rand([2, 3, 4, 4], DType.Float64), Torch.Rand([2, 3, 4, 4], DType.Float64));
        var terms = DiscriminatorTerms.Of(flat, TinyGan.Options, real, fake, images => images * 3, penalized: true);
        Assert.Equal(0.05 * 9 * flat.Weight.Square().Sum().ToDouble(), terms.R1!.ToDouble(), 1e-10);
        Assert.False(real.RequiresGrad);
    }

    [Fact]
    public void A_discriminator_of_a_whole_step_has_the_gradients_that_differences_give()
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var critic = new TinyDiscriminator();
        critic.To(dtype: DType.Float64);
        critic.Eval();
        var augment = new DiffAugmentOptions(1, 1, 0.5, 1, 1);
        var (real, fake) = (Torch.Rand([4, 3, 8, 8], DType.Float64), Torch.Rand([4, 3, 8, 8], DType.Float64));
        GradientCheck.Holds(
            _ =>
            {
                using var recorded = Torch.EnableGrad();
                Torch.Seed(3);
                return DiscriminatorTerms.Of(critic, TinyGan.Options, real, fake, augment.Apply, penalized: true).Total.Reshape(1);
            },
            [.. critic.Parameters()]
        );
    }

    [Fact]
    public void Both_sides_learn_in_their_own_phase_and_see_real_images_between_0_and_1()
    {
        using var scope = new Scope();
        var (trainer, method, setup) = TinyGan.Training();
        using (trainer)
        {
            Assert.Equal(["discriminator", "generator"], setup.Phases.Select(phase => phase.Phase.Name));
            var critic = (TinyDiscriminator)method.Discriminator;
            List<(long Images, bool Generator, bool Critic)> seen = [];
            critic.Seen = count => seen.Add((count, method.Generator.Parameters().First().RequiresGrad, critic.Head.Weight.RequiresGrad));
            trainer.Train(until: 1);
            // Real and generated ones together, twice for the consistency, then generated ones alone.
            Assert.Equal([(12, false, true), (12, false, true), (6, true, false)], seen);
        }
        var given = TinyGan.Source().Epoch(0).First().Inputs;
        var plain = new VitGan(TinyGan.Options with { DiffAugment = none, R1 = 0 }, new TinyGenerator(), new Bounds(), TinyGan.Halves);
        Assert.True(given.Min().ToDouble() < 0);
        var loss = plain.Compute(new Batch(given, new NoTargets(6), [.. Enumerable.Range(0, 6)]), new(0, 1, 0, 4));
        Assert.Equal(1, loss.Parts["real_score"].ToDouble());
    }

    /// <summary>1 for images between 0 and 1, else 0.</summary>
    private sealed partial class Bounds : Discriminator
    {
        private readonly Parameter bias = new(Torch.Zeros(1));

        protected override Tensor Forward(Tensor input) =>
            input.Amin((1, 2, 3)).Ge(0).LogicalAnd(input.Amax((1, 2, 3)).Le(1)).To(DType.Float32).Unsqueeze(1) + bias;
    }

    /// <summary>Tells of every batch that passes another discriminator.</summary>
    private sealed partial class Told(Discriminator inner, Action told) : Discriminator
    {
        private readonly Discriminator inner = inner;

        public override int BatchMultiple => inner.BatchMultiple;

        protected override Tensor Forward(Tensor input)
        {
            told();
            return inner.Call(input);
        }
    }

    /// <summary>Sees where pixels are.</summary>
    private sealed partial class Placed : Discriminator
    {
        private readonly Nn.Linear hidden = new(3 * TinyGenerator.Side * TinyGenerator.Side, 16);
        private readonly Nn.Linear score = new(16, 1);

        protected override Tensor Forward(Tensor input) => score.Call(hidden.Call((input * 2 - 1).Flatten(1)).Tanh());
    }

    public static TheoryData<DiscriminatorOptions, bool, Precision> Networks =>
        new()
        {
            { new StyleGan2DiscriminatorOptions(Widest: 6), false, Precision.Fp32 },
            { new VitDiscriminatorOptions(Patch: 4, Dim: 8, Depth: 1, Heads: 2), true, Precision.Fp32 },
            { new VitDiscriminatorOptions(Patch: 4, Dim: 8, Depth: 1, Heads: 2), false, Precision.Bf16 },
        };

    [Theory]
    [MemberData(nameof(Networks))]
    public void Published_networks_learn_and_go_on_between_two_phases(DiscriminatorOptions opponent, bool paper, Precision precision)
    {
        // Real and generated images together are a multiple of the groups, and so are generated ones alone.
        var options = new VitGanOptions(opponent is StyleGan2DiscriminatorOptions own ? own with { Group = 3 } : opponent);
        using var whole = new TempFolder();
        using var parts = new TempFolder();
        var expected = Run(whole.Path, null);
        Assert.Null(Run(parts.Path, 2));
        Assert.NotNull(new RunFolder(parts.Path).Checkpoints.Newest()!.Position.Partial);
        var found = Run(parts.Path, null)!;
        foreach (var (name, bytes) in expected!)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");

        // It is asked to stop in the second of three passes of a step: that for the consistency.
        OrderedDictionary<string, byte[]>? Run(string folder, int? stopAt)
        {
            using var scope = new Scope();
            using var stop = new CancellationTokenSource();
            var left = stopAt * 3 - 1 ?? int.MaxValue;
            var (trainer, method, setup) = TinyGan.Training(
                folder,
                options,
                new(precision, Seed: 5, EmaHalfLife: 30, LogEvery: 1),
                epochs: 1,
                generator: () =>
                {
                    const int Side = TinyGenerator.Side;
                    var sizes = paper ? VitGanGenerator.Config.Paper(Side) : VitGanGenerator.Config.Reproduction(Side);
                    return new VitGanGenerator(
                        sizes with
                        {
                            TokenWidth = 4,
                            Depth = 1,
                            Dim = 8,
                            StyleDim = 8,
                            Heads = 2,
                            MlpDim = 16,
                            PixelDim = 8,
                            MappingLayers = 1,
                        }
                    );
                },
                discriminator: () => new Told(options.Discriminator.Create(TinyGenerator.Side, 3), () =>
                    {
                        if (--left == 0)
                            stop.Cancel();
                    })
            );
            using (trainer)
            {
                trainer.Resume();
                var first = method
                    .NamedParameters()
                    .Where(p => p.Parameter is { RequiresGrad: true, Dim: > 1 })
                    .ToDictionary(p => p.Name, p => p.Parameter.ToBytes());
                var result = trainer.Train(stop: stop.Token);
                if (!result.Completed)
                    return null;
                // Every matrix has learned.
                if (stopAt is null && folder == whole.Path)
                    Assert.Empty(
                        method
                            .NamedParameters()
                            .Where(p => first.TryGetValue(p.Name, out var old) && old.SequenceEqual(p.Parameter.ToBytes()))
                            .Select(p => p.Name)
                    );
                return TinyGan.State(trainer, method, setup);
            }
        }
    }

    public static TheoryData<Precision, int, int> Runs =>
        new()
        {
            { Precision.Fp32, 1, 1 },
            { Precision.Fp32, 2, 3 },
            { Precision.Bf16, 1, 2 },
        };

    [Theory]
    [MemberData(nameof(Runs))]
    public void A_training_goes_on_bit_for_bit_wherever_it_was_stopped_also_between_its_phases(
        Precision precision,
        int generatorEvery,
        int r1Every
    )
    {
        var options = TinyGan.Options with { GeneratorEvery = generatorEvery, R1Every = r1Every };
        var train = new TrainOptions(precision, Seed: 5, EmaHalfLife: 30, EmaStart: 12, LogEvery: 2);
        using var whole = new TempFolder();
        var (state, log) = Run(whole.Path, []);
        // Passes of the discriminator: 1 and 2 of a step are its own phase, 3 is the generator's.
        var perStep = generatorEvery == 1 ? 3 : 2.5;
        foreach (
            var stops in (int[][])
                [
                    [1],
                    [3],
                    [4, 1],
                    [(int)(perStep * 4) - 1],
                    [(int)(perStep * 6) + 1, 2, 3, 3],
                ]
        )
        {
            using var parts = new TempFolder();
            var (found, foundLog) = Run(parts.Path, stops);
            Assert.Equal(state.Keys.Order(), found.Keys.Order());
            foreach (var (name, bytes) in state)
                Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs after stops at {string.Join(", ", stops)}");
            Assert.Equal(log, foundLog);
        }

        // Each stop is asked for while the discriminator sees so many batches more.
        (OrderedDictionary<string, byte[]>, string[]) Run(string folder, int[] stops)
        {
            for (var run = 0; ; run++)
            {
                using var scope = new Scope();
                using var stop = new CancellationTokenSource();
                var (trainer, method, setup) = TinyGan.Training(folder, options, train);
                using (trainer)
                {
                    // Whatever ran before in the process must not matter.
                    Torch.Seed(run == 0 ? 5UL : 999UL);
                    Assert.Equal(run > 0, trainer.Resume());
                    var left = run < stops.Length ? stops[run] : int.MaxValue;
                    ((TinyDiscriminator)method.Discriminator).Seen = _ =>
                    {
                        if (--left == 0)
                            stop.Cancel();
                    };
                    var result = trainer.Train(stop: stop.Token);
                    Assert.Equal(run == stops.Length, result.Completed);
                    if (result.Completed)
                        return (TinyGan.State(trainer, method, setup), ResumeTests.Log(folder));
                }
            }
        }
    }

    [Fact]
    public void A_stop_in_the_phase_of_the_discriminator_comes_before_that_of_the_generator()
    {
        using var folder = new TempFolder();
        using var scope = new Scope();
        using var stop = new CancellationTokenSource();
        var (trainer, method, _) = TinyGan.Training(folder.Path);
        using (trainer)
        {
            trainer.Train(until: 3);
            var (generator, critic) = (Bytes(method.Generator), Bytes(method.Discriminator));
            ((TinyDiscriminator)method.Discriminator).Seen = _ => stop.Cancel();
            Assert.False(trainer.Train(stop: stop.Token).Completed);
            Assert.Equal(3, trainer.Step);
            Assert.Equal(generator, Bytes(method.Generator));
            Assert.NotEqual(critic, Bytes(method.Discriminator));
        }
        var store = new RunFolder(folder.Path).Checkpoints;
        // What lies between two steps replaces no checkpoint of a step.
        Assert.Equal(["step-00000003.phase-1", "step-00000003"], store.All.Select(Path.GetFileName));
        var newest = store.Newest()!.Position;
        Assert.Equal((3, 1, true), (newest.Step, newest.Partial!.Phase, newest.Stopped));

        // What it made for the discriminator has changed its running statistics.
        static byte[] Bytes(Module module) => [.. module.Parameters().SelectMany(value => value.ToBytes())];
    }

    [Fact]
    public void The_log_and_whoever_watches_see_scores_accuracy_and_penalties()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        List<StepDone> steps = [];
        var (trainer, method, _) = TinyGan.Training(folder.Path, TinyGan.Options with { R1Every = 3 }, report: happened =>
        {
            if (happened is StepDone step)
                steps.Add(step);
        });
        using (trainer)
            trainer.Train();
        var lines = RunLog.Read(new RunFolder(folder.Path).LogPath).Where(line => (string?)line["kind"] == "step").ToArray();
        Assert.Equal(12, lines.Length);
        foreach (var (i, line) in lines.Index())
        {
            Assert.Equal(i % 3 == 0, line["discriminator_r1"] is not null);
            var penalty = i % 3 == 0 ? (double)line["discriminator_r1"]! : 0;
            Assert.True((double)line["discriminator_bcr"]! > 0);
            Assert.Equal(
                (double)line["discriminator_loss"]!,
                (double)line["discriminator_adversarial"]! + (double)line["discriminator_bcr"]! + penalty,
                1e-5
            );
            Assert.InRange((double)line["discriminator_accuracy"]!, 0, 1);
            Assert.NotNull(line["generator_fake_score"]);
            Assert.NotNull(line["generator_lr"]);
        }
        string[] always = ["discriminator loss", "generator loss", "real score", "fake score", "accuracy"];
        Assert.Equal([.. always, "r1"], steps[0].Watched.Select(figure => figure.Name));
        Assert.Equal(always, steps[1].Watched.Select(figure => figure.Name));
        Assert.Equal((double)lines[1]["discriminator_accuracy"]!, steps[1].Watched[4].Value, 1e-12);
    }

    [Fact]
    public void The_average_is_a_copy_up_to_its_start_and_halves_old_weights_by_the_half_life()
    {
        using var scope = new Scope();
        double[]? before = null;
        var (trainer, method, _) = TinyGan.Training(train: new(Seed: 5, EmaHalfLife: 30, EmaStart: 12));
        using (trainer)
        {
            var weight = method.Generator.Parameters().First();
            for (var step = 1; step <= 5; step++)
            {
                trainer.Train(until: step);
                double[] now = weight.To(DType.Float64).ToArray<double>(),
                    average = trainer.Ema!.StateDict().Values.First().To(DType.Float64).ToArray<double>();
                // Six images a step: the half-life of 30 images is five of them.
                var decay = step <= 2 ? 0 : Math.Pow(0.5, 1 / 5.0);
                for (var i = 0; i < now.Length; i++)
                    Assert.Equal(decay * (before ?? now)[i] + (1 - decay) * now[i], average[i], 1e-6);
                before = average;
            }
        }
        Assert.Throws<ArgumentException>(() => new TrainOptions(Ema: 0.9, EmaHalfLife: 10));
        Assert.Throws<ArgumentException>(() => new TrainOptions(EmaStart: 10));
    }

    [Fact]
    public void Processes_come_to_the_weights_of_one_where_nothing_is_drawn()
    {
        var options = TinyGan.Options with { DiffAugment = none, R1 = 1 };
        var whole = Train(null);
        foreach (var found in Ranks.Run(2, Train))
        foreach (var (name, values) in whole)
        foreach (var (expected, value) in values.Zip(found[name]))
            Assert.Equal(expected, value, 1e-11);

        Dictionary<string, double[]> Train(ProcessGroup? group)
        {
            using var scope = new Scope();
            var (trainer, method, _) = TinyGan.Training(
                options: options,
                train: new(Seed: 5),
                type: DType.Float64,
                spread: 0,
                group: group,
                how: new SgdOptions(0.05)
            );
            using (trainer)
                trainer.Train();
            return method.NamedParameters().ToDictionary(entry => entry.Name, entry => entry.Parameter.ToArray<double>());
        }
    }

    [Fact]
    public void Processes_stop_together_between_two_phases_and_go_on_as_if_they_had_not()
    {
        using var whole = new TempFolder();
        using var parts = new TempFolder();
        var expected = Ranks.Run(2, group => Train(group, whole.Path, null));
        Ranks.Run(2, group => Train(group, parts.Path, 2));
        Assert.NotNull(new RunFolder(parts.Path).Checkpoints.Newest()!.Position.Partial);
        var found = Ranks.Run(2, group => Train(group, parts.Path, null));
        for (var rank = 0; rank < 2; rank++)
            foreach (var (name, bytes) in expected[rank])
                Assert.True(bytes.AsSpan().SequenceEqual(found[rank][name]), $"{name} of rank {rank} differs");

        // Rank 1 is asked to stop while its data comes to a step; all learn it in the first phase of the next.
        static Dictionary<string, byte[]> Train(ProcessGroup group, string folder, int? stopAt)
        {
            using var scope = new Scope();
            using var stop = new CancellationTokenSource();
            var done = 0;
            var (trainer, method, _) = TinyGan.Training(
                folder,
                TinyGan.Options with
                {
                    DiffAugment = none,
                },
                new(Seed: 5, EmaHalfLife: 30),
                spread: 0,
                group: group,
                report: happened =>
                {
                    if (happened is StepDone && ++done == stopAt && group.Rank == 1)
                        stop.Cancel();
                }
            );
            using (trainer)
            {
                trainer.Resume();
                Assert.Equal(stopAt is null, trainer.Train(stop: stop.Token).Completed);
            }
            return method.NamedParameters().ToDictionary(entry => entry.Name, entry => entry.Parameter.ToBytes());
        }
    }

    [Fact]
    public void Models_images_and_batches_that_do_not_fit_are_refused()
    {
        using var scope = new Scope();
        Assert.Equal(
            "vitgan needs a generator of images, not a TinyModel",
            Assert.Throws<ArgumentException>(() => new VitGan(TinyGan.Options, new(new TinyModel(), Device.Cpu))).Message
        );
        ObjectiveContext Context(int batch) => new(new TinyGenerator(), Device.Cpu) { StepSamples = batch, Normalization = TinyGan.Halves };
        var grouped = new VitGanOptions(new TinyDiscriminatorOptions(4));
        Assert.Equal(
            "its discriminator compares images in groups of 4: data.batch must be a multiple of 4, not 6",
            Assert.Throws<ArgumentException>(() => new VitGan(grouped, Context(6))).Message
        );
        // Three fit by themselves, but not both halves of six.
        Assert.Throws<ArgumentException>(() => new VitGan(grouped, Context(3)));
        Assert.False(new VitGan(grouped, Context(8)).MeanOverSamples);
        Assert.True(new VitGan(TinyGan.Options, Context(6)).MeanOverSamples);
        Assert.Equal(
            "it makes images of 3 channels, and those of the data have 2",
            Assert.Throws<ArgumentException>(() => new VitGan(grouped, Context(8) with { Normalization = new([0, 0], [1, 1]) })).Message
        );
        var method = new VitGan(TinyGan.Options, Context(6));
        Assert.Equal(
            "the images of the data must be [B, 3, 8, 8] as those of the generator, not [6, 3, 9, 8]: augment can crop or resize them",
            Assert
                .Throws<ShapeException>(() =>
                    method.Compute(new Batch(Torch.Zeros([6, 3, 9, 8]), new NoTargets(6), [0, 1, 2, 3, 4, 5]), new(0, 1, 0, 4))
                )
                .Message
        );
    }

    [Fact]
    public void A_short_training_moves_the_generator_towards_the_data()
    {
        using var scope = new Scope();
        var (trainer, method, _) = TinyGan.Training(
            // Mirrored images would be bright on both sides.
            options: TinyGan.Options with
            {
                DiffAugment = new(Flip: 0),
            },
            epochs: 60,
            train: new(Seed: 5),
            discriminator: () => new Placed()
        );
        var before = Contrast();
        using (trainer)
            trainer.Train();
        // Real images are brighter on the left by 0.75.
        Assert.InRange(Contrast() - before, 0.2, 1.5);

        double Contrast()
        {
            method.Eval();
            using var outside = Torch.NoGrad();
            Torch.Seed(1);
            var images = method.Generator.Call(Torch.Randn([64, TinyGenerator.Latent]));
            method.Train();
            return (images.Slice(3, 0, 4).Mean() - images.Slice(3, 4).Mean()).ToDouble();
        }
    }
}

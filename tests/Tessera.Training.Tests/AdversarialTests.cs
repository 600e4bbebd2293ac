using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>A method of two phases, each with an optimiser of its own.</summary>
[Collection("engine")]
public sealed partial class AdversarialTests
{
    private const int Steps = 8;

    /// <summary>A generator of points, and a critic that tells them from those of the data.</summary>
    private sealed partial class Duel : Objective
    {
        private readonly Linear critic = new(2, 1);
        private readonly int every;

        internal Duel(Linear generator, int every)
            : base(generator) => this.every = every;

        internal Linear Generator => (Linear)Model;

        internal Linear Critic => critic;

        internal List<(string Phase, bool Generator, bool Critic)> Learning { get; } = [];

        public override IReadOnlyList<Phase> Phases => [new("generator", [Model]), new("critic", [critic], every)];

        protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
        {
            Learning.Add((phase.Name, Generator.Weight.RequiresGrad, critic.Weight.RequiresGrad));
            var points = Generator.Call(Torch.Randn([batch.Count, 2]));
            var believed = critic.Call(points).Mean();
            if (phase.Name == "generator")
                return new(believed * -1) { Parts = new Dictionary<string, Tensor> { ["spread"] = points.Detach().Std() } };
            return new(believed - critic.Call(batch.Inputs).Mean() + critic.Weight.Square().Sum());
        }
    }

    private static FunctionSource Points() => new(4, (epoch, skip) => Enumerable
                .Range(skip, 4 - skip)
                .Select(number =>
                {
                    var random = new Random(epoch * 10 + number);
                    float[] points = [.. Enumerable.Range(0, 12).Select(_ => (float)random.NextDouble() + 1)];
                    return new Batch(Tensor.From(points, 6, 2), new NoTargets(6), [.. Enumerable.Range(0, 6)]);
                }));

    private static (Trainer Trainer, Duel Duel, TrainingSetup Setup) Training(
        string? folder = null,
        int every = 1,
        double generatorRate = 0.1,
        double criticRate = 0.05,
        TrainOptions? options = null,
        Action<TrainingEvent>? report = null
    )
    {
        Torch.Seed(5);
        var duel = new Duel(new(2, 2), every);
        OptimizerOptions[] how = [new AdamWOptions(generatorRate), new SgdOptions(criticRate)];
        var setup = new TrainingSetup
        {
            Objective = duel,
            Phases =
            [
                .. duel.Phases.Zip(how, (phase, optimizer) =>
                    new PhaseSetup(phase, optimizer.Create(duel, phase)) { Scaler = new GradientScaler(4, interval: 3) }
                ),
            ],
            Schedule = new CosineOptions(2, 0.5),
            Data = Points(),
            Options = options ?? new(Seed: 5, LogEvery: 1),
        };
        return (new(setup, folder is null ? null : new RunFolder(folder), report), duel, setup);
    }

    [Fact]
    public void Each_phase_changes_only_what_it_learns()
    {
        using var scope = new Scope();
        var (trainer, duel, setup) = Training();
        using (trainer)
        {
            Assert.Equal(["weight", "bias"], Names(setup.Phases[0]));
            Assert.Equal(["objective.critic.weight", "objective.critic.bias"], Names(setup.Phases[1]));
            trainer.Train(until: 1);
        }
        // Meanwhile the other side gathers no gradients.
        Assert.Equal([("generator", true, false), ("critic", false, true)], duel.Learning);
        Assert.True(duel.Generator.Weight.RequiresGrad && duel.Critic.Weight.RequiresGrad);

        foreach (var still in (string[])["generator", "critic"])
        {
            var (rates, other) = (still == "generator" ? (0, 0.1) : (0.1, 0.0), Training());
            other.Trainer.Dispose();
            var before = (Bytes(other.Duel.Generator), Bytes(other.Duel.Critic));
            var (one, trained, _) = Training(generatorRate: rates.Item1, criticRate: rates.Item2);
            using (one)
                one.Train();
            Assert.Equal(still == "generator", before.Item1.SequenceEqual(Bytes(trained.Generator)));
            Assert.Equal(still == "critic", before.Item2.SequenceEqual(Bytes(trained.Critic)));
        }

        static string[] Names(PhaseSetup phase) => [.. phase.Optimizer.Groups.SelectMany(group => group.Parameters).Select(p => p.Name)];

        static byte[] Bytes(Linear layer) => [.. layer.StateDict().Values.SelectMany(value => value.ToBytes())];
    }

    [Fact]
    public void A_phase_of_every_second_step_is_left_out_in_between_and_its_figures_are_those_of_its_own_steps()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        List<bool> changed = [];
        Duel? duel = null;
        byte[] before = [];
        var (trainer, created, _) = Training(folder.Path, every: 2, options: new(Seed: 5, LogEvery: 2), report: e =>
        {
            if (e is not StepDone)
                return;
            var now = duel!.Critic.Weight.ToBytes();
            changed.Add(!before.SequenceEqual(now));
            before = now;
        });
        duel = created;
        before = duel.Critic.Weight.ToBytes();
        using (trainer)
            trainer.Train();
        Assert.Equal([true, false, true, false, true, false, true, false], changed);
        Assert.Equal(4, duel.Learning.Count(pass => pass.Phase == "critic"));

        // With a line for each step, the mean of two steps is that of the one in which the critic learned.
        using var single = new TempFolder();
        using (var other = Training(single.Path, every: 2).Trainer)
            other.Train();
        var (two, one) = (Lines(folder.Path), Lines(single.Path));
        Assert.Equal(4, two.Length);
        Assert.Equal(one.Where(line => line["critic_loss"] is not null).Select(line => (long)line["step"]!), [1, 3, 5, 7]);
        for (var i = 0; i < two.Length; i++)
        {
            Assert.Equal((double)one[2 * i]["critic_loss"]!, (double)two[i]["critic_loss"]!, 1e-9);
            var both = one[(2 * i)..(2 * i + 2)].Average(line => (double)line["generator_loss"]!);
            Assert.Equal(both, (double)two[i]["generator_loss"]!, 1e-9);
        }
    }

    private static System.Text.Json.Nodes.JsonObject[] Lines(string folder) =>
        [.. RunLog.Read(new RunFolder(folder).LogPath).Where(line => (string?)line["kind"] == "step")];

    [Fact]
    public void The_log_has_the_losses_and_the_rates_of_all_phases()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var (trainer, _, setup) = Training(folder.Path);
        using (trainer)
            trainer.Train();
        var lines = Lines(folder.Path);
        Assert.Equal(Steps, lines.Length);
        foreach (var (step, line) in lines.Index())
        {
            var (generator, critic) = ((double)line["generator_loss"]!, (double)line["critic_loss"]!);
            Assert.Equal(generator + critic, (double)line["loss"]!, 1e-6);
            Assert.NotEqual(generator, critic);
            Assert.True((double)line["generator_spread"]! > 0);
            Assert.Equal(setup.Schedule.LearningRate(0.1, step, 4), (double)line["lr"]!, 1e-12);
            Assert.Equal(setup.Schedule.LearningRate(0.05, step, 4), (double)line["critic_lr"]!, 1e-12);
        }
    }

    [Fact]
    public void Networks_optimisers_and_scalers_of_all_phases_go_on_where_they_were()
    {
        using var whole = new TempFolder();
        var expected = State(whole.Path, Steps);
        foreach (
            var name in (string[])["model", "objective", "optimizer-generator", "optimizer-critic", "scaler-generator", "scaler-critic"]
        )
            Assert.True(new RunFolder(whole.Path).Checkpoints.Newest()!.Has(name), name);
        foreach (
            var stops in (int[][])
                [
                    [1, Steps],
                    [3, 4, Steps],
                    [5, Steps],
                ]
        )
        {
            using var parts = new TempFolder();
            var found = State(parts.Path, stops);
            Assert.Equal(expected.Keys.Order(), found.Keys.Order());
            foreach (var (name, bytes) in expected)
                Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs after stops at {string.Join(", ", stops)}");
        }
    }

    private static OrderedDictionary<string, byte[]> State(string folder, params int[] stops)
    {
        var result = new OrderedDictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, duel, setup) = Training(folder, every: 2);
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(stop == stops[0] ? 5UL : 999UL);
                Assert.Equal(stop != stops[0], stop != stops[0] && trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                foreach (var (name, tensor) in duel.StateDict())
                    result.Add(name, tensor.ToBytes());
                foreach (var phase in setup.Phases)
                foreach (var (name, tensor) in phase.Optimizer.StateDict().Concat(phase.Scaler!.StateDict()))
                    result.Add($"{phase.Phase.Name}: {name}", tensor.ToBytes());
            }
        }
        return result;
    }

    [Fact]
    public void Steps_of_several_phases_are_not_skipped() =>
        Assert.StartsWith(
            "train.non_finite must be stop or rollback: ",
            Assert.Throws<RunException>(() => Training(options: new(NonFinite: NonFiniteAction.Skip))).Message,
            StringComparison.Ordinal
        );

    private static Recipe Recipe(string phases) =>
        Experiments.Recipe.Parse(
            $$"""
            model: vit_2_4_32
            data: { name: cifar10, batch: 64 }
            optimizer: { name: adamw, lr: 0.01 }
            schedule: { name: constant, epochs: 1 }
            objective: supervised
            augment: []
            train: { clip_grad: 2 }
            phases: {{phases}}
            """,
            "r.yaml"
        );

    [Fact]
    public void A_recipe_says_how_single_phases_are_optimised()
    {
        using var scope = new Scope();
        var recipe = Recipe("[ { name: critic, optimizer: { name: sgd, lr: 0.5, lr_batch: 32 }, clip_grad: 3 } ]");
        Assert.Equal(recipe.Phases, Experiments.Recipe.Parse(recipe.ToYaml(), "again.yaml").Phases);
        var phases = recipe.CreatePhases(new Duel(new(2, 2), 1));
        Assert.Equal(
            [("generator", 0.01, 2.0), ("critic", 1.0, 3.0)],
            phases.Select(p => (p.Phase.Name, p.TopLearningRate, p.ClipGrad!.Value))
        );
        Assert.IsType<AdamW>(phases[0].Optimizer);
        Assert.IsType<Sgd>(phases[1].Optimizer);
    }

    [Fact]
    public void Phases_that_the_objective_does_not_have_and_phases_given_twice_are_refused()
    {
        using var scope = new Scope();
        Assert.Equal(
            "phases: there is no phase discriminator; the objective has generator, critic",
            Assert.Throws<RunException>(() => Recipe("[ { name: discriminator } ]").CreatePhases(new Duel(new(2, 2), 1))).Message
        );
        Assert.Equal(
            "phases: there is no phase critic; the objective has one without a name",
            Assert.Throws<RunException>(() => Recipe("[ { name: critic } ]").CreatePhases(new Supervised(new TinyModel()))).Message
        );
        Assert.Equal(
            "phases: critic is given twice",
            Assert
                .Throws<RunException>(() =>
                    Recipe("[ { name: critic, clip_grad: 1 }, { name: critic, clip_grad: 2 } ]").CreatePhases(new Duel(new(2, 2), 1))
                )
                .Message
        );
    }
}

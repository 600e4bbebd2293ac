using Tessera.Optim;
using Tessera.Testing;
using Tessera.Training;
using Tessera.Training.Tests;

namespace Tessera.Tests.Devices;

/// <summary>Training on the device: every method, the state that a checkpoint holds, whole runs.</summary>
public sealed class TrainingTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> MethodNames => [.. Methods.Names];

    [DeviceTheory]
    [Trait("Category", "Long")]
    [MemberData(nameof(MethodNames))]
    public void Every_method_takes_steps_in_all_precisions_and_goes_on_after_a_stop(string name)
    {
        foreach (var precision in (Precision[])[Precision.Fp32, Precision.Bf16, Precision.Fp16])
        {
            var losses = new List<double>();
            var run = Path.Combine(folder.Path, $"{precision}");
            foreach (var until in (int[])[2, 3])
            {
                using var scope = new Scope();
                var (trainer, _, _, _) = Methods.Training(
                    name,
                    folder.Path,
                    run,
                    1,
                    e =>
                    {
                        if (e is StepDone step)
                            losses.Add(step.Loss);
                    },
                    new(precision, "cuda", Ema: 0.9)
                );
                using (trainer)
                {
                    Assert.Equal(until == 3, trainer.Resume());
                    trainer.Train(until);
                }
            }
            Assert.Equal(3, losses.Count);
            Assert.All(losses, loss => Assert.True(double.IsFinite(loss)));
        }
    }

    // Kernels of a GPU need not add in the same order twice.
    [TwinTheory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    [InlineData(Precision.Fp16)]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(Precision precision)
    {
        var options = Tiny.Options with { Device = "cuda", Precision = precision, GradAccumSteps = 2, MicroBatch = 4 };
        var (expected, found) = (State("whole", options, [12]), State("halves", options, [7, 12]));
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (name, bytes) in expected)
            Assert.True(bytes.AsSpan().SequenceEqual(found[name]), $"{name} differs");
    }

    private Dictionary<string, byte[]> State(string run, TrainOptions options, int[] stops)
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, optimizer) = Tiny.Training(
                Path.Combine(folder.Path, run),
                options,
                scaler: options.Precision == Precision.Fp16 ? new GradientScaler(1024) : null
            );
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(stop == stops[0] ? options.Seed : 12345);
                if (stop != stops[0])
                    Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1])
                    continue;
                Assert.All(model.Parameters(), parameter => Assert.Equal(DeviceType.Cuda, parameter.Device.Type));
                foreach (var (name, tensor) in model.StateDict())
                    result.Add(name, tensor.ToBytes());
                foreach (var (name, tensor) in optimizer.StateDict())
                    result.Add("optimizer:" + name, tensor.ToBytes());
                foreach (var (name, tensor) in trainer.Ema!.StateDict())
                    result.Add("ema:" + name, tensor.ToBytes());
            }
        }
        return result;
    }

    [DeviceFact]
    [Trait("Category", "Long")]
    public void A_whole_run_trains_evaluates_reports_and_is_read_by_a_machine_without_the_device()
    {
        var data = Path.Combine(folder.Path, "data");
        SmallMnist.Write(data);
        var recipe = folder.Write("recipe.yaml", SmallMnist.Recipe(data));
        string[] settings =
        [
            "schedule.epochs=1",
            "train.device=cuda",
            "train.precision=bf16",
            "train.grad_checkpointing=true",
            "train.sam=0.05",
        ];
        var run = Path.Combine(folder.Path, "run");
        TrainingResult result;
        using (var experiment = Experiment.Begin(recipe, settings, run))
            result = experiment.Train();
        Assert.True(result.Completed);
        Assert.True(File.Exists(new RunFolder(run).ReportPath));
        var loss = Loss(result.Last!);
        Assert.Equal(loss, Measured(ModelBundle.Load(run, Device.Cuda)), 1e-2);
        // Brought to the processor, the weights predict the same.
        Assert.Equal(loss, Measured(ModelBundle.Load(run)), 2e-2);

        double Measured(ModelBundle bundle) => Loss(BundleMeasurement.OfRun(run, bundle, new()).Run());

        static double Loss(Metrics metrics) => ((ClassificationMetrics)metrics).Loss;
    }
}

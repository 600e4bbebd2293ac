using Tessera.Distributed;

namespace Tessera.Tests.Distributed;

public class WorkerEnvironmentTests
{
    private static WorkerEnvironment? Read(string variables)
    {
        var given = variables
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(v => v.Split('=', 2))
            .ToDictionary(v => v[0], v => v[1]);
        return WorkerEnvironment.Read(name => given.GetValueOrDefault(name));
    }

    [Theory]
    [InlineData("torchrun", "RANK=3 LOCAL_RANK=1 WORLD_SIZE=4 LOCAL_WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1234", 3, 4, 1, 2, "a", 1234)]
    [InlineData(
        "torchrun with its own store",
        "RANK=0 LOCAL_RANK=0 WORLD_SIZE=2 LOCAL_WORLD_SIZE=2 MASTER_ADDR=a MASTER_PORT=1234 TORCHELASTIC_USE_AGENT_STORE=True",
        0,
        2,
        0,
        2,
        "a",
        1235
    )]
    [InlineData("PyTorchJob", "RANK=1 WORLD_SIZE=2 MASTER_ADDR=job-master-0 MASTER_PORT=23456", 1, 2, 0, 1, "job-master-0", 23456)]
    [InlineData(
        "srun",
        "SLURM_PROCID=5 SLURM_NTASKS=8 SLURM_LOCALID=1 SLURM_NTASKS_PER_NODE=4 SLURM_STEP_ID=0 SLURM_JOB_ID=70001 "
            + "SLURM_STEP_NODELIST=gpu[003-004]",
        5,
        8,
        1,
        4,
        "gpu003",
        30001
    )]
    [InlineData(
        "srun with an address",
        "SLURM_PROCID=5 SLURM_NTASKS=8 SLURM_LOCALID=1 SLURM_STEP_ID=0 SLURM_JOB_ID=1 SLURM_STEP_NODELIST=gpu[003-004] "
            + "MASTER_ADDR=b MASTER_PORT=7",
        5,
        8,
        1,
        1,
        "b",
        7
    )]
    [InlineData(
        "mpirun on one machine",
        "OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2",
        1,
        2,
        1,
        2,
        "127.0.0.1",
        29500
    )]
    [InlineData(
        "torchrun inside of srun",
        "SLURM_PROCID=0 SLURM_NTASKS=2 SLURM_STEP_ID=0 RANK=7 LOCAL_RANK=3 WORLD_SIZE=8 LOCAL_WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=9",
        7,
        8,
        3,
        4,
        "a",
        9
    )]
    public void What_starters_set_is_understood(
        string starter,
        string variables,
        int rank,
        int size,
        int localRank,
        int localSize,
        string address,
        int port
    )
    {
        var found = Read(variables)!;
        Assert.True(
            (rank, size, localRank, localSize, address, port)
                == (found.Rank, found.Size, found.LocalRank, found.LocalSize, found.Address, found.Port),
            $"{starter}: {found}"
        );
        Assert.Equal(300, found.Timeout.TotalSeconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("RANK=0 WORLD_SIZE=1 MASTER_ADDR=a")]
    [InlineData("SLURM_PROCID=0 SLURM_NTASKS=4 SLURM_JOB_ID=3")]
    public void A_process_alone_and_a_batch_script_have_no_group(string variables) => Assert.Null(Read(variables));

    [Theory]
    [InlineData("RANK=4 WORLD_SIZE=4 MASTER_ADDR=a", "RANK=4: it must be a number from 0 to 3")]
    [InlineData("RANK=x WORLD_SIZE=4 MASTER_ADDR=a", "RANK=x: it must be a number from 0 to 3")]
    [InlineData("RANK=0 WORLD_SIZE=4", "MASTER_ADDR does not say where rank 0 runs")]
    [InlineData("RANK=0 WORLD_SIZE=4 MASTER_ADDR=a MASTER_PORT=no", "MASTER_PORT=no")]
    [InlineData("RANK=0 WORLD_SIZE=4 MASTER_ADDR=a TESSERA_TIMEOUT=0", "TESSERA_TIMEOUT=0: it must be seconds from 1 to 86400")]
    public void What_makes_no_sense_is_named(string variables, string message) =>
        Assert.Contains(message, Assert.Throws<DistributedException>(() => Read(variables)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("gpu1", "gpu1")]
    [InlineData("a,b", "a")]
    [InlineData("gpu[003-005,7],cpu1", "gpu003")]
    [InlineData("n[2,4]-ib,m1", "n2-ib")]
    public void The_first_machine_of_a_list_is_found(string list, string first) => Assert.Equal(first, WorkerEnvironment.FirstNode(list));
}
